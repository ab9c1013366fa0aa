// SPDX-License-Identifier: Apache-2.0
// What `exec` does the same for every kind of lock: the command, its environment, and what its end means.
#pragma once

#include <string>
#include <vector>

#include "cli/session.hpp"
#include "core/supervisor.hpp"

namespace lockgate {

/// `program` with what it gets to know of its lock. `lock_fd`: the descriptor that it inherits, or -1.
Command command_under(Session& session, const Grant& grant, int lock_fd, const std::vector<std::string>& program);

/// As the flags say.
SuperviseOptions supervise_options(const Session& session);

/// Says why `program` does not run.
[[noreturn]] void fail_to_start(const std::string& program, int error);

/// Says what lives on although lockgate ended the command; `what_of_it` follows each: "and keeps the lock".
void tell_what_is_left(const Session& session, const Outcome& outcome, const std::string& what_of_it);

/// What the command's end means for lockgate's own: the exit status, or the death by the same key of the terminal.
int conclude(const Session& session, const Outcome& outcome);

/// exec with a lock that has a lease: renewed while the command runs, under a guardian that ends it in time if the
/// lease cannot be kept. Takes the lock first.
int exec_leased(Session& session, const Signals& signals, const Request& request,
                const std::vector<std::string>& program);

}  // namespace lockgate
