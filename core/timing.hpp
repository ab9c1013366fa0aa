// SPDX-License-Identifier: Apache-2.0
// The arithmetic of a lease on the holder's side: when it is renewed, and when what it protects has to be gone.
// Checked as a whole, once, so that no combination is in use in which the old owner could outlive its lease.
#pragma once

#include <optional>

#include "core/clock.hpp"
#include "core/lock.hpp"

namespace lockgate {

/// How a lease of one length is lived with. Every moment is counted from the sending of the request that last renewed
/// it: with renewal, attempt, kill_after and margin one after the other there is still no more than one `ttl` gone.
struct Timing {
  Duration ttl{};
  Duration renew_every{};
  Duration attempt{};     // the longest time for one request
  Duration kill_after{};  // between TERM and KILL
  Duration margin{};      // between KILL and the end of the lease: for clocks that differ, and for dying

  /// `kill_after` empty: as long as is good for this lease. Zero: nothing is to be ended. Throws Error(usage) for a
  /// lease too short to be renewed in time, and for a kill-after that is too long for it.
  static Timing of(Duration ttl, std::optional<Duration> kill_after);

  /// By then the command must be dead.
  [[nodiscard]] BootTime kill_at(const Lease& lease) const;
  /// When it has to be told, without another renewal.
  [[nodiscard]] BootTime term_at(const Lease& lease) const { return kill_at(lease) - kill_after; }
  /// False where so much of the lease is gone that a command started now could only be ended.
  [[nodiscard]] bool allows_start(const Lease& lease, BootTime now) const { return now < term_at(lease); }
};

}  // namespace lockgate
