// SPDX-License-Identifier: Apache-2.0
// Keeping a lease: renewed every third of its length, by the one background thread of the client, until it is stopped
// or the lock is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/backend.hpp"
#include "core/lost_event.hpp"
#include "core/timing.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {

/// Asks once for another TTL, as Backend::renew() does.
using RenewOnce = std::function<Renewal(const Attempt&)>;
/// Told of each renewal that came in time, with the lease as it is from then on. Must not throw.
using OnRenewed = std::function<void(const Lease&)>;

/// Time as the renewal sees it; a seam for tests.
class RenewalClock {
 public:
  enum class Woke { in_time, stopped };
  virtual ~RenewalClock() = default;
  virtual BootTime now() = 0;
  /// Returns at `when`, or earlier where nobody wants to go on.
  virtual Woke wait_until(BootTime when) = 0;
  /// For a request: see Attempt.
  [[nodiscard]] virtual int stop_fd() const { return -1; }
};

/// The life of one lease, without a thread.
///
/// Only a success moves the deadline, which is Timing::term_at(): from there on there is no way back, for the command
/// is told to end. A clear no is a loss at once. Anything else, of whatever kind, is no answer: it is tried again, soon
/// and after a random pause, for as long as there is time. After the deadline nothing is sent any more: who comes back
/// from a suspend or a stop cannot revive what was given up, and a yes that comes after it is none.
class LeaseLife {
 public:
  LeaseLife(const Timing& timing, const Lease& lease, RenewOnce renew, OnRenewed on_renewed);

  /// Runs until the lock is lost, with the reason, or until `clock` says that it is to stop: empty.
  std::optional<std::string> run(RenewalClock& clock);

  /// Until when the lock may be relied on, as far as is known.
  [[nodiscard]] BootTime deadline() const { return timing_.term_at(lease_); }

 private:
  enum class Verdict { go_on, lost };
  Verdict attempt(RenewalClock& clock);
  void retry_later(BootTime now, const std::string& error);
  void take(const Lease& lease);
  [[nodiscard]] std::string missed() const;

  Timing timing_;
  Lease lease_;
  RenewOnce renew_;
  OnRenewed on_renewed_;
  BootTime due_;
  Duration pause_;          // the longest before the next try
  std::uint64_t random_;    // state of the jitter
  std::string last_error_;  // since the last success
  std::string clear_no_;
};

/// Renews in a thread of its own from construction on. To be made after every fork of this process, by a thread that
/// has all signals blocked. `renew` and `on_renewed` are called on that thread.
class Renewer {
 public:
  /// `lost` outlives this, and is raised at most once.
  Renewer(const Timing& timing, const Lease& lease, RenewOnce renew, OnRenewed on_renewed, LostEvent& lost);
  ~Renewer();
  Renewer(const Renewer&) = delete;
  Renewer& operator=(const Renewer&) = delete;

  /// Nothing is renewed any more. Also ends a request that is on its way, and returns when it is ended; that a
  /// deadline had passed until then is still told to `lost`. May be repeated.
  void stop();
  /// The same where a request is on its way. Where none is, none is sent any more, and the end of the thread is not
  /// waited for; what it still tells `lost` may come later.
  void send_no_more();

 private:
  Renewal ask(const RenewOnce& renew, const Attempt& attempt);
  void wake() const;
  void work(LostEvent& lost);

  UniqueFd stop_;
  std::mutex asking_;     // held for each request; guards what follows
  bool is_over_ = false;  // no more requests
  LeaseLife life_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace lockgate
