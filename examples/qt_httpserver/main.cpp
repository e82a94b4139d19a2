// dingcb behind Qt HttpServer, on the thread of the event loop, which no answer blocks.
#include <dingcb/callback_handler.hpp>

#include <QAbstractHttpServer>
#include <QCoreApplication>
#include <QHttpServerRequest>
#include <QHttpServerResponder>
#include <QPointer>
#include <QTcpServer>
#include <QTcpSocket>
#include <QTimer>

#include "service.hpp"

namespace {

// Not QHttpServer::route() with a QFuture: Qt 6.4 crashes when the client goes away before the future has its result.
class Server : public QAbstractHttpServer {
 public:
  bool idle() const { return service::idle(handler_); }

 private:
  bool handleRequest(const QHttpServerRequest& request, QTcpSocket* socket) override {
    if (request.url().path() != "/callback" || request.method() != QHttpServerRequest::Method::Post) return false;
    const std::string query = request.url().query(QUrl::FullyEncoded).toStdString();
    const QByteArray body = request.body();
    auto responder = std::make_shared<QHttpServerResponder>(makeResponder(request, socket));
    handler_.handle({query, {body.data(), static_cast<std::size_t>(body.size())}},
                    [this, responder, alive = QPointer<QTcpSocket>(socket)](const dingcb::Response& answer) {
                      // The answer may come from another thread; the socket belongs to the one of the loop.
                      QMetaObject::invokeMethod(this, [responder, alive, answer] {
                        if (alive) send(*responder, answer);
                      });
                    });
    return true;
  }
  void missingHandler(const QHttpServerRequest& request, QTcpSocket* socket) override {
    makeResponder(request, socket).write(QHttpServerResponder::StatusCode::NotFound);
  }
  static void send(QHttpServerResponder& responder, const dingcb::Response& answer) {
    responder.write(QByteArray::fromStdString(answer.body), std::string(answer.content_type).c_str(),
                    static_cast<QHttpServerResponder::StatusCode>(answer.status));
  }

  const dingcb::CallbackHandler handler_ = service::make_handler();
};

}  // namespace

int main(int argc, char** argv) {
  const service::StopSignal stop;
  QCoreApplication app(argc, argv);
  Server server;
  auto* const socket = new QTcpServer;     // bind() gives it to the server
  socket->setListenBacklogSize(512);       // 50 by default, too few for a burst
  socket->setMaxPendingConnections(1000);  // 30 by default
  if (!socket->listen(QHostAddress::LocalHost, service::port(argc, argv))) return 1;
  server.bind(socket);

  QTimer timer;
  bool rested = false;
  QObject::connect(&timer, &QTimer::timeout, [&] {
    if (stop.wait_for(std::chrono::milliseconds(0))) socket->close();
    // Ends when nothing waits and no more is accepted, a round later for the last answer.
    const bool rests = server.idle() && !socket->isListening();
    if (std::exchange(rested, rests) && rests) QCoreApplication::quit();
  });
  timer.start(50);
  service::announce(socket->serverPort());
  return QCoreApplication::exec();
}
