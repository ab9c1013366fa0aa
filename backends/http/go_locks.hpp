// SPDX-License-Identifier: Apache-2.0
// Locks on a server of the Go library werf/lockgate: three requests, no request ids, no place in a queue that could be
// given up, and a lease of ten seconds.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "backends/http/acquire_wait.hpp"
#include "backends/http/go_protocol.hpp"
#include "backends/http/lock_server.hpp"
#include "core/backend.hpp"

namespace lockgate::http {

/// By one connection.
class GoLocks {
 public:
  GoLocks(LockServer& server, HttpClient& client) : server_(server), client_(client) {}

  /// As Backend::acquire(). Polls, where the server does not park requests: it offers nothing else. The grant has no
  /// fencing token.
  std::variant<Grant, Busy> acquire(const Request& request, Waiting& waiting);
  std::variant<Renewal, Setback> renew(const LockName& name, const std::string& handle, const HttpWait& wait);
  /// `tried`: whether an earlier request of the same release may have been carried out.
  enum class TriedBefore { no, perhaps };
  std::variant<Released, Setback> release(const LockName& name, const std::string& handle, TriedBefore tried,
                                          const HttpWait& wait);

 private:
  struct Answered {
    go::Answer answer;
    BootTime sent;
  };
  using Decode = std::function<go::Answer(std::string_view)>;

  std::variant<Answered, Setback> post(const std::string& what, std::string body, const HttpWait& wait,
                                       const Decode& decode);
  std::optional<Grant> ask(const Request& request, const std::string& id, AcquireWait& wait);
  std::optional<Grant> take(const Request& request, const std::string& handle, BootTime sent, AcquireWait& wait);
  std::optional<Grant> last_try(const Request& request, const std::string& id, AcquireWait& wait);
  std::optional<std::variant<Grant, Busy>> heed_verdict(const Request& request, const std::string& id,
                                                        AcquireWait& wait);
  void give_back(const LockName& name, const std::string& handle);

  LockServer& server_;
  HttpClient& client_;
};

}  // namespace lockgate::http
