// SPDX-License-Identifier: Apache-2.0
// The wait for a lock on a server: what listens to the user while a request is parked, and the pauses between tries.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "backends/http/lock_server.hpp"
#include "core/lock.hpp"
#include "core/waiting.hpp"

namespace lockgate::http {

/// Pauses that grow, each of them chosen by chance so that many waiters do not come back together.
class Backoff {
 public:
  static constexpr std::chrono::milliseconds kFirst{10};
  static constexpr std::chrono::milliseconds kLongest{1000};

  Duration next();
  void reset() { ceiling_ = kFirst; }

 private:
  Duration ceiling_ = kFirst;
};

/// By chance, from `least` to `most`.
Duration between(Duration least, Duration most);

/// How a wait may go on after a setback, by the rules of contract section 2: the first contact has five seconds, and
/// once the server has answered, it is tried until the wait is over.
class AcquireWait {
 public:
  static constexpr std::chrono::seconds kContact{5};
  static constexpr std::chrono::seconds kContactOfTry{4};  // and a second for what is to be tidied up

  explicit AcquireWait(Waiting& waiting);

  [[nodiscard]] bool nonblocking() const { return nonblocking_; }
  /// For one request, until the next is made. It is cut short by whatever ends the wait, but left `patience` to be
  /// answered. Where the wait has ended already, it listens to nothing any more.
  [[nodiscard]] HttpWait listen(BootTime give_up, Duration patience = {});
  /// What was heard; anything but go_on is the end of the wait.
  [[nodiscard]] WaitVerdict verdict() const { return verdict_; }
  /// Returns early when the wait ends.
  void pause(Duration duration);
  /// A short one that nothing ends early.
  static void nap(Duration duration);

  /// The server says why it has nothing for anybody now.
  void explain(const std::string& why) { waiting_.explain(why); }
  /// The server answered, as servers do when all is well.
  void contacted();
  [[nodiscard]] bool in_contact() const { return contacted_ && !last_setback_; }
  /// By when this request must be answered, if `usually` is how long it may take while all is well.
  [[nodiscard]] BootTime give_up(Duration usually);
  /// Pauses before the next try; throws the error where there is to be none.
  void suffer(const Setback& setback);
  /// Of the last request, if that failed.
  [[nodiscard]] const std::optional<Setback>& last_setback() const { return last_setback_; }

  [[nodiscard]] Cancelled cancellation() const { return waiting_.cancellation(); }
  /// Stops this process until it is continued, and begins anew.
  void suspend();

 private:
  void attend();
  [[nodiscard]] Duration first_contact() const { return nonblocking_ ? kContactOfTry : kContact; }

  Waiting& waiting_;
  bool nonblocking_;
  BootTime contact_by_;
  BootTime asked_until_ = BootTime::max();  // when the last request was to be given up
  bool contacted_ = false;
  WaitVerdict verdict_ = WaitVerdict::go_on;
  std::optional<BootTime> cut_off_;  // of the request under way, once the wait has ended
  std::optional<Setback> last_setback_;
  Backoff backoff_;
};

}  // namespace lockgate::http
