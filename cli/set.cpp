// SPDX-License-Identifier: Apache-2.0
// lockgate set: another value for a hold that stays as it is.
#include <fmt/format.h>

#include "cli/own_hold.hpp"
#include "core/error.hpp"

namespace lockgate {
namespace {

/// The handle of the hold that is meant; empty where this user has none.
std::optional<std::string> find_handle(const Session& session, const LockName& name) {
  if (auto handle = wanted_handle(session, name)) {
    return handle;
  }
  const std::vector<KeeperNote> holds = holds_of(session, KeeperNotes(), name);
  const std::vector<KeeperNote> meant = choose_own(holds);
  if (meant.size() > 1 || (meant.empty() && !holds.empty())) {
    fail_ambiguous(session, name, holds, "give the handle that acquire printed: --handle HANDLE");
  }
  return meant.empty() ? std::nullopt : std::optional(meant.front().handle);
}

}  // namespace

int run_set(Session& session) {
  const LockName name(session.line.names.at(0));
  const auto handle = find_handle(session, name);
  if (!handle) {
    session.log.error(fmt::format("no hold of {} for this user on this host", where(session, name)));
    session.log.error("take it with lockgate acquire, or give the handle of a hold taken elsewhere: --handle HANDLE");
    return to_int(ExitCode::lost);
  }
  const Grant grant{.name = name, .handle = *handle, .lease = {}};
  if (session.backend->set_value(grant, session.flags().value) == ValueSet::was_lost) {
    session.log.error(fmt::format("the hold of {} is gone: the value was not set", where(session, name)));
    return to_int(ExitCode::lost);
  }
  return to_int(ExitCode::done);
}

}  // namespace lockgate
