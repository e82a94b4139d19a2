// dingcb behind POCO.
#include <dingcb/callback_handler.hpp>

#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/ThreadPool.h>
#include <Poco/URI.h>

#include "service.hpp"

using namespace Poco::Net;

namespace {

class CallbackRequest : public HTTPRequestHandler {
 public:
  explicit CallbackRequest(const dingcb::CallbackHandler& handler) : handler_(handler) {}

  void handleRequest(HTTPServerRequest& request, HTTPServerResponse& response) override {
    std::string body;
    for (char piece[16384]; request.stream().read(piece, sizeof(piece)), request.stream().gcount() > 0;) {
      body.append(piece, static_cast<std::size_t>(request.stream().gcount()));
      if (body.size() > service::kMaxBody) break;  // the handler refuses it, and what is left is not read
    }
    response.setKeepAlive(request.getKeepAlive() && body.size() <= service::kMaxBody);
    // The URI is what the client sent; HTMLForm would decode it.
    const dingcb::Response answer = handler_.handle(dingcb::Request::from_target(request.getURI(), body));
    response.setStatus(static_cast<HTTPResponse::HTTPStatus>(answer.status));
    response.setContentType(std::string(answer.content_type));
    response.sendBuffer(answer.body.data(), answer.body.size());
  }

 private:
  const dingcb::CallbackHandler& handler_;
};

class Factory : public HTTPRequestHandlerFactory {
 public:
  HTTPRequestHandler* createRequestHandler(const HTTPServerRequest& request) override {
    const bool push =
        request.getMethod() == HTTPRequest::HTTP_POST && Poco::URI(request.getURI()).getPath() == "/callback";
    return push ? new CallbackRequest(handler_) : nullptr;  // null: 501
  }

 private:
  const dingcb::CallbackHandler handler_ = service::make_handler();
};

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;
  // A connection holds its thread, idle or not: have more threads than connections, and drop idle ones soon.
  Poco::ThreadPool threads(16, 256);
  HTTPServerParams::Ptr params = new HTTPServerParams;
  params->setMaxThreads(256);
  params->setMaxQueued(512);
  params->setMaxKeepAliveRequests(0);
  params->setKeepAliveTimeout(Poco::Timespan(2, 0));
  params->setTimeout(Poco::Timespan(30, 0));

  const ServerSocket socket(SocketAddress("127.0.0.1", service::port(argc, argv)), 512);
  HTTPServer server(new Factory, threads, socket, params);
  server.start();
  service::announce(server.port());
  stop.wait();
  server.stop();
  threads.joinAll();
}
