// Included before an example (-include), it puts a handler there that answers a constant as long as a real answer: what
// remains is the HTTP server.
#pragma once

#include <dingcb/callback_handler.hpp>

#include <string>

#include "../../../examples/common/service.hpp"

namespace dingcb {

class ConstantHandler {
 public:
  Response handle(const Request&) const { return {200, "application/json", std::string(240, 'x')}; }
  template <class Completion>
  void handle(const Request& request, Completion&& completion) const {
    completion(handle(request));
  }
  std::size_t expire() const { return 0; }
  std::size_t in_flight() const { return 0; }
};

}  // namespace dingcb

namespace service {
inline dingcb::ConstantHandler make_constant_handler() { return {}; }
inline bool idle(const dingcb::ConstantHandler&) { return true; }
inline void drain(const dingcb::ConstantHandler&) {}
}  // namespace service

#define CallbackHandler ConstantHandler
#define make_handler make_constant_handler
