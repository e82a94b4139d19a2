// dingcb behind Pistache, whose threads go on while answers wait.
#include <dingcb/callback_handler.hpp>

#include <pistache/endpoint.h>

#include "service.hpp"

namespace Http = Pistache::Http;

namespace {

class CallbackRequests : public Http::Handler {
 public:
  HTTP_PROTOTYPE(CallbackRequests)
  explicit CallbackRequests(dingcb::CallbackHandler handler) : handler_(std::move(handler)) {}

  void onRequest(const Http::Request& request, Http::ResponseWriter writer) override {
    if (request.resource() != "/callback" || request.method() != Http::Method::Post) {
      writer.send(Http::Code::Not_Found, "not found\n");
      return;
    }
    // Pistache does not decode the query. It lets the writer be moved, and be used by any thread.
    const std::string query = request.query().as_str();
    auto later = std::make_shared<Http::ResponseWriter>(std::move(writer));
    handler_.handle({query, request.body()}, [later](const dingcb::Response& answer) {
      later->setMime(Http::Mime::MediaType(std::string(answer.content_type)));
      later->send(static_cast<Http::Code>(answer.status), answer.body);
    });
  }

 private:
  dingcb::CallbackHandler handler_;
};

// Pistache 0.0.5 has an option for the backlog and forgets it; 128 are too few for a burst. To call listen() again on
// its socket, the only one of this program that listens, enlarges it.
void enlarge_backlog() {
  for (int socket = 3; socket < 1024; ++socket) {
    int listens = 0;
    socklen_t size = sizeof(listens);
    if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0) listen(socket, 512);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;
  const dingcb::CallbackHandler handler = service::make_handler();
  using Pistache::Tcp::Options;
  Http::Endpoint server(Pistache::Address("127.0.0.1", service::port(argc, argv)));
  server.init(
      Http::Endpoint::options()
          .threads(2)
          .flags(Pistache::Flags<Options>(Options::ReuseAddr) | Options::NoDelay)
          .maxRequestSize(4 * service::kMaxBody)  // it needs seconds for what is above; the handler refuses before
          .maxResponseSize(64 * 1024));
  server.setHandler(Http::make_handler<CallbackRequests>(handler));
  server.serveThreaded();
  enlarge_backlog();
  service::announce(server.getPort());
  while (!stop.wait_for(std::chrono::milliseconds(50))) handler.expire();
  service::drain(handler);
  server.shutdown();
}
