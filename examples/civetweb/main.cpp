// dingcb behind CivetWeb.
#include <dingcb/callback_handler.hpp>

#include <CivetServer.h>

#include "service.hpp"

namespace {

class CallbackRequest : public CivetHandler {
 public:
  // Called by C code, through which nothing may be thrown.
  bool handlePost(CivetServer*, mg_connection* connection) noexcept override try {
    std::string body;
    char piece[16384];
    for (int size = 0; body.size() <= service::kMaxBody && (size = mg_read(connection, piece, sizeof(piece))) > 0;) {
      body.append(piece, static_cast<std::size_t>(size));
    }
    // query_string is what the client sent; getParam() would decode it.
    const char* const query = mg_get_request_info(connection)->query_string;
    send(connection, handler_.handle({query != nullptr ? query : "", body}));
    return true;
  } catch (...) {
    return send(connection, {503, "text/plain", "no memory\n"}), true;
  }

 private:
  static void send(mg_connection* connection, const dingcb::Response& answer) noexcept {
    const int status = answer.status;
    mg_response_header_start(connection, status);
    mg_response_header_add(connection, "Content-Type", answer.content_type.data(),
                           static_cast<int>(answer.content_type.size()));
    mg_response_header_add(connection, "Content-Length", std::to_string(answer.body.size()).c_str(), -1);
    mg_response_header_send(connection);
    mg_write(connection, answer.body.data(), answer.body.size());
  }

  const dingcb::CallbackHandler handler_ = service::make_handler();
};

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;
  CallbackRequest callback;
  // A connection holds its thread, idle or not: have more threads than connections, and drop idle ones soon.
  CivetServer server(std::vector<std::string>{
      "listening_ports", "127.0.0.1:" + std::to_string(service::port(argc, argv)), "num_threads", "256",
      "listen_backlog", "512", "connection_queue", "512", "enable_keep_alive", "yes", "keep_alive_timeout_ms", "2000",
      "request_timeout_ms", "30000", "tcp_nodelay", "1"});
  server.addHandler("/callback$", callback);
  service::announce(server.getListeningPorts().at(0));
  stop.wait();
  server.removeHandler("/callback$");  // waits for those that run, whose answers close() would cut off
  server.close();
}
