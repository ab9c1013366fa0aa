// SPDX-License-Identifier: Apache-2.0
// The inside of the guardian process, and what it shares with lockgate. Used by core/guardian.cpp alone.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "core/boot_timer.hpp"
#include "core/child.hpp"
#include "core/clock.hpp"
#include "core/guardian.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {

/// In memory that both processes see.
struct SharedDeadline {
  std::atomic<std::int64_t> nanoseconds{0};  // on CLOCK_BOOTTIME
  std::atomic<bool> end_begun{false};        // the guardian has sent TERM or KILL

  [[nodiscard]] BootTime get() const { return BootTime(Duration(nanoseconds.load())); }
};
static_assert(std::atomic<std::int64_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free,
              "shared between processes, so there can be no lock in it");

/// lockgate -> guardian: end the tree, KILL at `kill_at`. One packet each.
struct EndOrder {
  std::int64_t kill_at = 0;
};

/// All that a guardian is started with.
struct GuardianTask {
  const Command& command;
  const Signals& signals;
  const Terminal& terminal;
  bool foreground;  // lockgate's group had the terminal
  SharedDeadline& shared;
  Duration kill_after;
  int lockgate_pidfd;  // or -1 on a kernel without
  int link;            // SOCK_SEQPACKET; end of file: lockgate is dead
};

/// The life of the guardian, in the process that was forked for it.
[[noreturn]] void be_guardian(const GuardianTask& task);

}  // namespace lockgate
