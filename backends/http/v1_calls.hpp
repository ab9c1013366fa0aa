// SPDX-License-Identifier: Apache-2.0
// One request to /v1/ each, asked and understood.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "backends/http/lock_server.hpp"
#include "backends/http/protocol.hpp"
#include "core/backend.hpp"

namespace lockgate::http {

/// One connection to a server that speaks our language. All throw what LockServer::ask() throws, and
/// Error(not_understood) for an answer that is none.
class V1 {
 public:
  V1(LockServer& server, HttpClient& client) : server_(server), client_(client) {}

  /// The request was carried out before, and the hold that it got is over.
  struct OverBefore {};
  /// When the request was sent, and what came of it.
  struct Acquired {
    BootTime sent;
    std::variant<Granted, MustWait, OverBefore> answer;
  };
  std::variant<Acquired, Setback> acquire(const Request& request, const AcquireWish& wish, const Myself& myself,
                                          const HttpWait& wait);
  /// `ttl` zero: as it was.
  std::variant<Renewal, Setback> renew(const Grant& grant, Duration ttl, const HttpWait& wait);
  std::variant<Released, Setback> release(const Grant& grant, const std::string& request_id, const HttpWait& wait);
  std::variant<ValueSet, Setback> set_value(const Grant& grant, const std::optional<std::string>& value,
                                            const HttpWait& wait);
  /// Gives up a place in the queue, if there is one.
  void leave(const LockName& name, const std::string& acquirer_id, const HttpWait& wait);
  /// Those of these names, or all.
  std::vector<LockState> list(const std::vector<LockName>& names, const HttpWait& wait);
  std::vector<HolderInfo> break_holds(const LockName& name, const HttpWait& wait);

 private:
  template <class Decode>
  auto understand(const HttpCall& call, const HttpAnswer& answer, Decode decode);

  LockServer& server_;
  HttpClient& client_;
};

/// "?name=a&name=b&prefix=p".
std::string query_of(const std::vector<LockName>& names, const std::vector<std::string>& prefixes);

}  // namespace lockgate::http
