// cpp-httplib with the settings that a callback needs; ../cpp_httplib/README.md says why.
#pragma once

#include <httplib.h>
#include <sys/socket.h>

#include "service.hpp"

namespace service {

class HttplibServer : public httplib::Server {
 public:
  HttplibServer() {
    // A connection holds its thread, idle or not: have more threads than connections, and drop idle ones soon.
    new_task_queue = [] { return new httplib::ThreadPool(256); };
    set_keep_alive_max_count(1000000);
    set_keep_alive_timeout(2);
    set_tcp_nodelay(true);
    set_payload_max_length(kMaxBody);
  }

  /// Listens on the loopback address; 0 lets the system choose the port. @return the port; -1 where it cannot.
  int listen_on(int port) {
    if (port == 0) {
      port = bind_to_any_port("127.0.0.1");
    } else if (!bind_to_port("127.0.0.1", port)) {
      return -1;
    }
    // Debian's build has room for 5 connections that wait to be accepted, so that bursts take seconds; to call listen()
    // again enlarges it.
    return port < 0 || ::listen(svr_sock_, 512) != 0 ? -1 : port;
  }
};

}  // namespace service
