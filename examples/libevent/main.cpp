// dingcb behind libevent's evhttp, on one thread that no answer blocks.
#include <dingcb/callback_handler.hpp>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/thread.h>

#include "service.hpp"

namespace {

struct Server {
  const service::StopSignal stop;
  event_base* base = nullptr;
  evhttp* http = nullptr;
  evhttp_bound_socket* socket = nullptr;
  const dingcb::CallbackHandler handler = service::make_handler();
  bool rested = false;
};

struct Answer {
  evhttp_request* request;
  dingcb::Response response;
};

void send(evutil_socket_t, short, void* data) {
  const std::unique_ptr<Answer> answer(static_cast<Answer*>(data));
  const auto& [request, response] = *answer;
  const std::string type(response.content_type);
  evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type.c_str());
  evbuffer_add(evhttp_request_get_output_buffer(request), response.body.data(), response.body.size());
  evhttp_send_reply(request, response.status, nullptr, nullptr);
}

void on_request(evhttp_request* request, void* data) {
  const auto* const server = static_cast<Server*>(data);
  evbuffer* const in = evhttp_request_get_input_buffer(request);
  const std::size_t size = evbuffer_get_length(in);
  const char* const body = size == 0 ? "" : reinterpret_cast<const char*>(evbuffer_pullup(in, -1));
  // The URI is what the client sent. The answer may come from another thread, and goes back to the loop.
  server->handler.handle(
      dingcb::Request::from_target(evhttp_request_get_uri(request), {body, size}),
      [server, request](dingcb::Response response) {
        event_base_once(server->base, -1, EV_TIMEOUT, send, new Answer{request, std::move(response)}, nullptr);
      });
}

// Answers what waits for too long. Ends when nothing waits and no more is accepted, a round later for the last answer.
void on_timer(evutil_socket_t, short, void* data) {
  auto* const server = static_cast<Server*>(data);
  if (server->socket != nullptr && server->stop.wait_for(std::chrono::milliseconds(0))) {
    evhttp_del_accept_socket(server->http, std::exchange(server->socket, nullptr));
  }
  const bool rests = service::idle(server->handler) && server->socket == nullptr;
  if (std::exchange(server->rested, rests) && rests) event_base_loopbreak(server->base);
}

}  // namespace

int main(int argc, char** argv) {
  evthread_use_pthreads();  // answers come from other threads, too
  Server server;
  server.base = event_base_new();
  server.http = evhttp_new(server.base);
  evhttp_set_allowed_methods(server.http, EVHTTP_REQ_POST);
  evhttp_set_max_body_size(server.http, service::kMaxBody);
  evhttp_set_timeout(server.http, 30);
  evhttp_set_cb(server.http, "/callback", on_request, &server);
  server.socket = evhttp_accept_socket_with_handle(server.http, service::listen_on(service::port(argc, argv)));
  event* const timer = event_new(server.base, -1, EV_PERSIST, on_timer, &server);
  const timeval period{0, 50000};
  event_add(timer, &period);
  event_base_dispatch(server.base);

  event_free(timer);
  evhttp_free(server.http);
  event_base_free(server.base);
}
