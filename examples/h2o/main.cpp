// dingcb behind libh2o, on one thread that no answer blocks.
#include <dingcb/callback_handler.hpp>

#define H2O_USE_EPOLL 1
#include <h2o.h>

#include "service.hpp"

namespace {

using Waiting = std::shared_ptr<h2o_req_t*>;  // null when the client has gone away

const service::StopSignal stop;
const dingcb::CallbackHandler handler = service::make_handler();
service::Answers<Waiting> answers;
h2o_globalconf_t config;
h2o_context_t context;
h2o_accept_ctx_t accepting;
h2o_multithread_receiver_t receiver;

void on_request_gone(void* data) {
  auto* const waiting = static_cast<Waiting*>(data);
  **waiting = nullptr;
  waiting->~Waiting();
}

int on_request(h2o_handler_t*, h2o_req_t* request) try {
  const std::string_view target(request->path.base, request->path.len);
  const bool post = h2o_memis(request->method.base, request->method.len, H2O_STRLIT("POST")) != 0;
  if (!post || target.substr(0, target.find('?')) != "/callback") return -1;  // 404; h2o matches all that begins so
  const auto waiting = std::make_shared<h2o_req_t*>(request);
  new (h2o_mem_alloc_shared(&request->pool, sizeof(waiting), on_request_gone)) Waiting(waiting);
  const auto push = dingcb::Request::from_target(target, {request->entity.base, request->entity.len});
  handler.handle(push, [waiting](dingcb::Response response) {
    answers.add(waiting, std::move(response));
    h2o_multithread_send_message(&receiver, nullptr);  // wakes the loop, which alone may touch the request
  });
  return 0;
} catch (...) {  // no memory; nothing may be thrown through C
  return -1;
}

void on_accept(h2o_socket_t* listener, const char*) {
  if (h2o_socket_t* const socket = h2o_evloop_socket_accept(listener)) h2o_accept(&accepting, socket);
}

void run_loop() {
  h2o_evloop_run(context.loop, 50);
  for (const auto& [waiting, response] : answers.take()) {
    h2o_req_t* const request = *waiting;
    if (request == nullptr) continue;
    const auto& [status, type, body] = response;
    request->res.status = status;
    request->res.reason = status == 200 ? "OK" : "Refused";
    h2o_add_header(&request->pool, &request->res.headers, H2O_TOKEN_CONTENT_TYPE, nullptr, type.data(), type.size());
    h2o_send_inline(request, body.data(), body.size());
  }
}

}  // namespace

int main(int argc, char** argv) {
  h2o_config_init(&config);
  config.max_request_entity_size = service::kMaxBody;
  h2o_hostconf_t* const host = h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
  h2o_pathconf_t* const path = h2o_config_register_path(host, "/callback", 0);
  h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_request;
  h2o_context_init(&context, h2o_evloop_create(), &config);
  h2o_multithread_register_receiver(context.queue, &receiver, [](auto*, auto*) {});
  accepting.ctx = &context;
  accepting.hosts = config.hosts;

  const int socket = service::listen_on(service::port(argc, argv));
  h2o_socket_t* const listener = h2o_evloop_socket_create(context.loop, socket, H2O_SOCKET_FLAG_DONT_READ);
  h2o_socket_read_start(listener, on_accept);
  for (; !stop.wait_for(std::chrono::milliseconds(0)); handler.expire()) run_loop();
  h2o_socket_close(listener);
  for (int rest = 0; rest < 3; rest = service::idle(handler) ? rest + 1 : 0) run_loop();  // the last answer leaves, too
}
