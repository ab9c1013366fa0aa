// SPDX-License-Identifier: Apache-2.0
// What a wait for a lock listens to besides the lock: its deadline, the user's signals, the line that says
// who is in the way. A backend folds it into whatever it waits with.
#pragma once

#include <optional>
#include <string>

#include "core/clock.hpp"

namespace lockgate {

/// What a waiting backend has to do now.
enum class WaitVerdict {
  go_on,
  timed_out,  // the deadline has passed: a last try, then Busy
  cancelled,  // the user wants no lock any more: leave the queue, throw Cancelled
  suspend,    // leave any place where others queue behind us, then call Waiting::suspend()
};

/// Thrown by Backend::acquire when the wait was ended by a signal or by `lost_interest`.
struct Cancelled {
  int signal = 0;  // 0: not by a signal
};

/// Used by one thread at a time, which may be another one than the caller of acquire().
class Waiting {
 public:
  virtual ~Waiting() = default;
  /// No waiting at all: one try.
  [[nodiscard]] virtual bool nonblocking() const = 0;
  /// Called before each blocking wait; only the first call counts.
  virtual void begin(BootTime now) = 0;
  /// Becomes readable when attend() has something to do before `next_event()`.
  [[nodiscard]] virtual int fd() const = 0;
  /// When attend() wants to be called next; empty: only for fd().
  [[nodiscard]] virtual std::optional<BootTime> next_event() const = 0;
  /// Does what is due: reads signals, says the wait line. Never blocks, never throws.
  virtual WaitVerdict attend(BootTime now) = 0;
  /// The place itself says why it grants nothing now, for the user to hear. Never blocks, never throws.
  virtual void explain(const std::string& /*why*/) {}
  /// Stops this process as Ctrl-Z would, and returns when it is continued.
  virtual void suspend() = 0;
  /// What ended the wait, after attend() said `cancelled`.
  [[nodiscard]] virtual Cancelled cancellation() const = 0;
};

}  // namespace lockgate
