// The endpoint under test, by libcurl.
#pragma once

#include "command.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace command {

struct EndpointOptions {
  std::string url;
  double timeout_ms = 10000;
  std::vector<std::string> headers;
  bool insecure = false;
};

/// Adds the options that every verb which posts has.
void add_endpoint(CLI::App& verb, EndpointOptions& options);

/// How a request is sent.
struct Sending {
  std::string method = "POST";
  std::string content_type = "application/json";
  bool chunked = false;
  double pause_ms = 0;  ///< Before the second half of the body, sent when the first has gone out.
};

/// What came back.
struct Posted {
  std::string error;           ///< Why there is no HTTP answer; empty where there is one.
  bool not_connected = false;  ///< Nobody listens there.
  int status = 0;
  std::string body;
  double elapsed_ms = 0;  ///< From the request to the last byte, connecting included.
};

/// One connection, kept open between requests. For one thread.
class Endpoint {
 public:
  explicit Endpoint(const EndpointOptions& options);
  Endpoint(Endpoint&&) noexcept;
  Endpoint& operator=(Endpoint&&) noexcept;
  ~Endpoint();

  /// Sends a request; follows no redirect, as DingTalk follows none.
  Posted post(const std::string& query, const std::string& body, const Sending& sending = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The URL with a query behind it.
std::string url_with(const std::string& url, const std::string& query);

}  // namespace command
