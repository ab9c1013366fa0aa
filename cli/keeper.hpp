// SPDX-License-Identifier: Apache-2.0
// The background process that takes a lock for `lockgate acquire`, and keeps it after that has returned.
#pragma once

#include <sys/types.h>

#include "cli/session.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {

/// What the keeper tells the foreground: each a message of its own, the first character says which.
///   w TEXT           a line for the user while it waits
///   g HANDLE         the lock is had; the foreground answers with one byte once it has told the user
///   b TEXT           it was not had
///   e CODE TEXT\nNEXT  it failed
constexpr std::size_t kMaxKeeperMessage = 8192;

struct KeeperOrder {
  UniqueFd link;         // SOCK_SEQPACKET to the foreground
  UniqueFd owner;        // pidfd of the process whose end gives the lock back; none: until it is released
  pid_t foreground = 0;  // our parent, which waits for our word
  pid_t acquirer = 0;    // the process that ran `lockgate acquire`
  BootTime acquirer_since;
};

/// The whole life of a keeper, in a process of its own that was just forked. Never returns.
[[noreturn]] void keep(Session& session, const Request& request, KeeperOrder order);

}  // namespace lockgate
