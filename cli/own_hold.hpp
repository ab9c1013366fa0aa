// SPDX-License-Identifier: Apache-2.0
// Which of this user's holds is meant: by its handle, by the environment, or by who acquired it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/keeper_notes.hpp"
#include "cli/session.hpp"

namespace lockgate {

/// The notes of this user's keepers on this host that hold `name` in the place of this session.
std::vector<KeeperNote> holds_of(const Session& session, const KeeperNotes& notes, const LockName& name);

/// The handle on the command line, or the one in the environment if it is for this name.
std::optional<std::string> wanted_handle(const Session& session, const LockName& name);

/// Of several holds, those that are meant where no handle was given: whose acquiring process is an ancestor of this
/// one; else those whose acquiring process has ended.
std::vector<KeeperNote> choose_own(const std::vector<KeeperNote>& holds);

/// Lists them and throws Error(usage) with this next step.
[[noreturn]] void fail_ambiguous(const Session& session, const LockName& name, const std::vector<KeeperNote>& holds,
                                 const std::string& next_step);

}  // namespace lockgate
