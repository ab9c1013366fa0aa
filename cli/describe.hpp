// SPDX-License-Identifier: Apache-2.0
// A lock in one line of plain words: who has it, what they run, since when. The same words while waiting, when it
// cannot be had, and before it is broken.
#pragma once

#include <sys/types.h>

#include <string>

#include "core/lock.hpp"

namespace lockgate {

/// "alice@build7 pid 4312 (make), for 4m12s, \"release 1.9\""
std::string describe(const HolderInfo& holder, WallTime now);

/// "held by ...", "shared by A and 2 more", "free", or what else is known.
std::string describe_holders(const LockState& lock, WallTime now);

/// A process number says little without its host: a waiter on another one may bear the same.
struct ProcessOnHost {
  std::string host;
  pid_t pid = 0;
};

/// "; 2 ahead of you", or nothing, for the waiter `self`.
std::string describe_place_in_queue(const LockState& lock, const ProcessOnHost& self);

}  // namespace lockgate
