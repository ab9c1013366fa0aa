// SPDX-License-Identifier: Apache-2.0
// Getting a lock from a lockgate server: a parked request that is made again until it is answered with yes, and a hold
// that is confirmed before anybody relies on it.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "backends/http/acquire_wait.hpp"
#include "backends/http/v1_calls.hpp"

namespace lockgate::http {

/// As Backend::acquire(), by one connection. Throws SpeaksGo as well, before anything was asked of the server.
class V1Acquire {
 public:
  V1Acquire(LockServer& server, HttpClient& client, const Request& request, Waiting& waiting, const Myself& myself);

  std::variant<Grant, Busy> run();

 private:
  /// Where this wish stands, as far as we know.
  enum class Standing {
    unknown_to_server,  // nothing of it has reached the server
    queued,             // the last answer was: wait
    unsettled,          // an answer is missing: it may have been granted
  };

  std::optional<Grant> ask(std::chrono::milliseconds park);
  std::optional<Grant> take(const Granted& granted, BootTime sent);
  std::optional<Grant> confirm(const Grant& grant);
  std::optional<std::variant<Grant, Busy>> heed_verdict();
  std::variant<Grant, Busy> last_try();
  void rest_if_early(Duration took, Duration parked);
  void settle();
  void settle_once(BootTime until);
  void begin_wish();
  void begin_anew();

  V1 server_;
  const Request& request_;
  const Myself& myself_;
  AcquireWait wait_;
  AcquireWish wish_;
  Standing standing_ = Standing::unknown_to_server;
  MustWait last_answer_;
  bool begun_anew_ = false;  // and the server has not answered the new wish yet
  Backoff rest_;             // between answers that came too soon
};

}  // namespace lockgate::http
