// dingcb behind libh2o, on one thread that no answer blocks.
#include <dingcb/callback_handler.hpp>

#define H2O_USE_EPOLL 1
#include <h2o.h>

#include "service.hpp"

namespace {

const dingcb::CallbackHandler* callback;
h2o_globalconf_t config;
h2o_context_t context;
h2o_multithread_receiver_t receiver;  // brings answers of other threads to the loop
h2o_accept_ctx_t accepting;

// A request on its way to an answer. `request` ends when the client goes away.
struct Exchange : h2o_multithread_message_t {
  h2o_req_t* request = nullptr;
  dingcb::Response response;
  std::shared_ptr<Exchange> self;
};
using Exchanges = std::shared_ptr<Exchange>;

void on_request_gone(void* data) {
  auto* const exchange = static_cast<Exchanges*>(data);
  (*exchange)->request = nullptr;
  exchange->~Exchanges();
}

int on_request(h2o_handler_t*, h2o_req_t* request) try {
  const std::string_view target(request->path.base, request->path.len);
  const bool post = h2o_memis(request->method.base, request->method.len, H2O_STRLIT("POST")) != 0;
  if (!post || target.substr(0, target.find('?')) != "/callback") return -1;  // 404; h2o matches all that begins so
  auto exchange = std::make_shared<Exchange>();
  exchange->request = request;
  new (h2o_mem_alloc_shared(&request->pool, sizeof(exchange), on_request_gone)) Exchanges(exchange);
  const std::string_view body(request->entity.base != nullptr ? request->entity.base : "", request->entity.len);
  callback->handle({service::query_of(target), body}, [exchange](auto answer) {
    exchange->response = std::move(answer);
    exchange->self = exchange;
    h2o_multithread_send_message(&receiver, exchange.get());
  });
  return 0;
} catch (...) {  // no memory; nothing may be thrown through C
  return -1;
}

void on_answers(h2o_multithread_receiver_t*, h2o_linklist_t* messages) {
  while (!h2o_linklist_is_empty(messages)) {
    auto* const message = H2O_STRUCT_FROM_MEMBER(h2o_multithread_message_t, link, messages->next);
    h2o_linklist_unlink(&message->link);
    const Exchanges exchange = std::move(static_cast<Exchange*>(message)->self);
    h2o_req_t* const request = exchange->request;
    if (request == nullptr) continue;  // the client is gone
    const dingcb::Response& answer = exchange->response;
    request->res.status = answer.status;
    request->res.reason = answer.status == 200 ? "OK" : "Refused";
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, nullptr, answer.content_type.data(),
                   answer.content_type.size());
    h2o_send_inline(request, answer.body.data(), answer.body.size());
  }
}

void on_accept(h2o_socket_t* listener, const char* error) {
  h2o_socket_t* const socket = error == nullptr ? h2o_evloop_socket_accept(listener) : nullptr;
  if (socket != nullptr) h2o_accept(&accepting, socket);
}

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();
  callback = &handler;
  h2o_config_init(&config);
  config.max_request_entity_size = service::kMaxBody;
  h2o_hostconf_t* const host = h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
  h2o_handler_t* const route =
      h2o_create_handler(h2o_config_register_path(host, "/callback", 0), sizeof(h2o_handler_t));
  route->on_req = on_request;
  h2o_loop_t* const loop = h2o_evloop_create();
  h2o_context_init(&context, loop, &config);
  h2o_multithread_register_receiver(context.queue, &receiver, on_answers);
  accepting.ctx = &context;
  accepting.hosts = config.hosts;

  const int fd = service::listen_on(service::port(argc, argv));
  if (fd < 0) return 1;
  h2o_socket_t* const listener = h2o_evloop_socket_create(loop, fd, H2O_SOCKET_FLAG_DONT_READ);
  h2o_socket_read_start(listener, on_accept);
  service::announce_socket(fd);
  while (!stop.wait_for(std::chrono::milliseconds(0))) {
    h2o_evloop_run(loop, 50);
    handler.expire();
  }
  h2o_socket_close(listener);
  for (int quiet = 0; quiet < 10; ++quiet) {  // until nothing waits, and a moment for the last answer to leave
    h2o_evloop_run(loop, 20);
    if (handler.expire() != 0) quiet = 0;
  }
}
