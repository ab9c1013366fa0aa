// SPDX-License-Identifier: Apache-2.0
#include "cli/describe.hpp"

#include <fmt/format.h>

#include "core/duration.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

/// One whose user is not known.
std::string describe_nameless(const HolderInfo& holder) {
  if (!holder.expires_at) {  // a file's: the kernel alone knows of it
    return "a lockgate that left no note";
  }
  const std::string where = holder.host.empty() ? "" : " at " + printable(holder.host);
  if (holder.pid || !holder.published.command.empty()) {
    return "a client" + where;
  }
  return where.empty() ? "a client that says nothing of itself"
                       : fmt::format("a client{} that says no more of itself, as those of the Go library", where);
}

}  // namespace

std::string describe(const HolderInfo& holder, WallTime now) {
  std::string text;
  if (!holder.user.empty()) {
    text = fmt::format("{}@{}", printable(holder.user), printable(holder.host));
  } else if (!holder.foreign) {
    text = describe_nameless(holder);
  }
  if (holder.pid && holder.user.empty() && holder.foreign) {
    // The kernel remembers who took it; whoever inherited the descriptor has it now.
    text = fmt::format("what pid {} left behind", *holder.pid);
  } else if (holder.pid) {
    text += fmt::format(" pid {}", *holder.pid);
  }
  if (!holder.published.command.empty()) {
    text += fmt::format(" ({})", printable(holder.published.command));
  }
  if (holder.foreign) {
    text += ", not a lockgate";
  }
  if (holder.acquired_at) {
    text += fmt::format(", for {}", format_duration(std::max(Duration(0), Duration(now - *holder.acquired_at))));
  }
  if (!holder.published.reason.empty()) {
    text += ", " + quote(holder.published.reason);
  }
  return text;
}

std::string describe_holders(const LockState& lock, WallTime now) {
  if (lock.holders.empty()) {
    return lock.state == LockState::State::free ? "free by now" : "held by somebody who cannot be seen from here";
  }
  std::string text = lock.mode == Mode::shared ? "shared by " : "held by ";
  text += describe(lock.holders.front(), now);
  if (lock.holders.size() > 1) {
    text += fmt::format(", and {} more", lock.holders.size() - 1);
  }
  return text;
}

std::string describe_place_in_queue(const LockState& lock, const ProcessOnHost& self) {
  for (std::size_t ahead = 0; ahead < lock.waiters.size(); ++ahead) {
    const WaiterInfo& waiter = lock.waiters[ahead];
    if (waiter.pid == self.pid && (waiter.host.empty() || waiter.host == self.host)) {
      return ahead == 0 ? "" : fmt::format("; {} ahead of you", ahead);
    }
  }
  return "";
}

}  // namespace lockgate
