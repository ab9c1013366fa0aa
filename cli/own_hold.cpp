// SPDX-License-Identifier: Apache-2.0
#include "cli/own_hold.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/process_table.hpp"

namespace lockgate {
namespace {

std::string describe(const KeeperNote& note) {
  return fmt::format("hold {}, keeper pid {}, acquired for process {} ({}), since {}", note.id, note.keeper,
                     note.acquirer, note.acquirer_runs() ? "runs" : "has ended",
                     format_duration(std::max(Duration(0), BootClock::now() - note.since)) + " ago");
}

}  // namespace

std::vector<KeeperNote> holds_of(const Session& session, const KeeperNotes& notes, const LockName& name) {
  std::vector<KeeperNote> found = notes.read();
  std::erase_if(found, [&](const KeeperNote& note) { return !session.backend->is_same(note.lock, name); });
  return found;
}

std::optional<std::string> wanted_handle(const Session& session, const LockName& name) {
  const char* its_name = std::getenv("LOCKGATE_NAME");
  const char* handle = std::getenv("LOCKGATE_HANDLE");
  if (session.flags().handle || session.flags().mine || its_name == nullptr || handle == nullptr ||
      name.text() != its_name) {
    return session.flags().handle;
  }
  return handle;
}

std::vector<KeeperNote> choose_own(const std::vector<KeeperNote>& holds) {
  std::vector<KeeperNote> of_ancestors;
  std::vector<KeeperNote> of_the_ended;
  for (const KeeperNote& note : holds) {
    if (!note.acquirer_runs()) {
      of_the_ended.push_back(note);
    } else if (is_ancestor(note.acquirer, getpid())) {
      of_ancestors.push_back(note);
    }
  }
  return of_ancestors.empty() ? of_the_ended : of_ancestors;
}

void fail_ambiguous(const Session& session, const LockName& name, const std::vector<KeeperNote>& holds,
                    const std::string& next_step) {
  for (const KeeperNote& note : holds) {
    session.log.error(describe(note));
  }
  throw Error(
      ExitCode::usage,
      fmt::format("which hold of {} is meant? {} of this user's on this host could be", name.quoted(), holds.size()),
      next_step);
}

}  // namespace lockgate
