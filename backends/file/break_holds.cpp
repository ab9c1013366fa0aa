// SPDX-License-Identifier: Apache-2.0
#include "backends/file/break_holds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "backends/file/file_status.hpp"
#include "core/error.hpp"
#include "core/process.hpp"

namespace lockgate::file {
namespace {

/// The process to ask, or why it cannot be asked.
struct Target {
  std::optional<Process> process;
  std::string why;
};

Target find_target(const HolderInfo& holder) {
  if (holder.foreign) {
    return {std::nullopt, "it is no lockgate: end it by its own means"};
  }
  if (!holder.pid || !holder.acquired_at_boot) {
    return {std::nullopt, "it runs where its process cannot be seen from here (another host or container)"};
  }
  auto process = Process::find(*holder.pid, *holder.acquired_at_boot);
  if (!process) {
    return {std::nullopt, "its lockgate is gone, and what it started still has the lock file open: fuser -v shows it"};
  }
  return {std::move(process), ""};
}

/// Whether the hold `id` is still there.
bool is_held(const FilePlace& place, const LockName& name, const std::string& id) {
  const LockState lock = list_locks(place, {name}).front();
  return std::any_of(lock.holders.begin(), lock.holders.end(), [&](const HolderInfo& h) { return h.id == id; });
}

}  // namespace

std::vector<Breaking> break_file_holds(const FilePlace& place, const LockName& name, Duration patience) {
  std::vector<Breaking> results;
  std::vector<Target> targets;
  const LockState lock = list_locks(place, {name}).front();
  for (const HolderInfo& holder : lock.holders) {
    targets.push_back(find_target(holder));
    results.push_back({holder, Breaking::Result::refused, targets.back().why});
  }
  if (std::any_of(targets.begin(), targets.end(), [](const Target& t) { return !t.process; })) {
    return results;
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (const int error = targets[i].process->signal(SIGTERM); error != 0) {
      results[i].why = "SIGTERM was refused: " + errno_text(error);
    }
  }
  const BootTime until = BootClock::now() + patience;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (!results[i].why.empty()) {
      continue;
    }
    const bool ended = targets[i].process->wait_until(until);
    if (!is_held(place, name, results[i].holder.id)) {
      results[i].result = Breaking::Result::released;
    } else {
      results[i].result = Breaking::Result::still_held;
      results[i].why = ended ? "its lockgate ended, but what it started still has the lock"
                             : "it got SIGTERM and goes on: its command does not end";
    }
  }
  return results;
}

}  // namespace lockgate::file
