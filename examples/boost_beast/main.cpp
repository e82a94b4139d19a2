// dingcb behind Boost.Beast, whose thread goes on while answers wait.
#include <dingcb/callback_handler.hpp>

#include <boost/asio.hpp>
#include <boost/beast.hpp>

#include "service.hpp"

namespace net = boost::asio;
namespace http = boost::beast::http;
using boost::beast::error_code;
using net::ip::tcp;

struct Session : std::enable_shared_from_this<Session> {  // one connection
  Session(tcp::socket socket, dingcb::CallbackHandler callback) : stream(std::move(socket)), handler(callback) {}

  void read() {
    parser.emplace().body_limit(service::kMaxBody);
    stream.expires_after(std::chrono::seconds(30));
    http::async_read(stream, buffer, *parser, [self = shared_from_this()](error_code error, std::size_t) {
      if (error == http::error::body_limit) return self->send({413, "text/plain", "too large\n"}, false);
      if (!error) self->handle(self->parser->get());
    });
  }

  void handle(const http::request<http::string_body>& request) {
    const std::string_view target(request.target().data(), request.target().size());
    const bool keep = request.keep_alive();
    if (request.method() != http::verb::post || target.substr(0, target.find('?')) != "/callback") {
      return send({404, "text/plain", "not found\n"}, keep);
    }
    // The answer may come later, from another thread; the connection belongs to the thread of its executor.
    handler.handle(dingcb::Request::from_target(target, request.body()),
                   [self = shared_from_this(), keep](auto answer) {
                     net::dispatch(self->stream.get_executor(), [self, keep, answer] { self->send(answer, keep); });
                   });
  }

  void send(dingcb::Response answer, bool keep) {
    response = {http::status(answer.status), 11, std::move(answer.body)};
    response.set(http::field::content_type, {answer.content_type.data(), answer.content_type.size()});
    response.keep_alive(keep);
    response.prepare_payload();
    stream.expires_after(std::chrono::seconds(30));
    http::async_write(stream, response, [self = shared_from_this(), keep](error_code error, std::size_t) {
      if (!error && keep) self->read();
    });
  }

  boost::beast::tcp_stream stream;
  boost::beast::flat_buffer buffer;
  std::optional<http::request_parser<http::string_body>> parser;
  http::response<http::string_body> response;
  dingcb::CallbackHandler handler;
};

void accept(tcp::acceptor& acceptor, const dingcb::CallbackHandler& handler) {
  acceptor.async_accept([&](error_code error, tcp::socket socket) {
    if (!error) std::make_shared<Session>(std::move(socket), handler)->read();
    if (acceptor.is_open()) accept(acceptor, handler);
  });
}

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();
  net::io_context context{1};
  const auto work = net::make_work_guard(context);  // an answer that waits is no work of the context's
  tcp::acceptor acceptor(context, {net::ip::make_address("127.0.0.1"), service::port(argc, argv)});
  accept(acceptor, handler);
  std::thread network([&] { context.run(); });
  service::announce(acceptor.local_endpoint().port());
  while (!stop.wait_for(std::chrono::milliseconds(50))) handler.expire();
  net::post(context, [&] { acceptor.close(); });
  service::drain(handler);
  context.stop();
  network.join();
}
