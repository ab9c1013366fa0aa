// SPDX-License-Identifier: Apache-2.0
// What every command starts from: what was asked for, what holds for it, and the backend it goes to.
#pragma once

#include <memory>

#include "cli/command_line.hpp"
#include "cli/log.hpp"
#include "cli/settings.hpp"
#include "core/backend.hpp"
#include "core/signals.hpp"

namespace lockgate {

struct Session {
  CommandLine line;
  Settings settings;
  Log log;
  std::unique_ptr<Backend> backend;  // null until connect()

  [[nodiscard]] const Flags& flags() const { return line.flags; }
};

/// Says at -v what was passed over. `settings` are those of `line`, for a backend that this executable has.
Session open_session(CommandLine line, Settings settings);

/// Makes the backend. Throws Error, for options that have no meaning there, too.
void connect(Session& session);

/// How loud lockgate is to be, from the flags and LOCKGATE_DEBUG.
Log::Level log_level(const Flags& flags);

/// The request that the flags describe, for the lock NAME. `program`: what will be run under the lock.
Request make_request(const Session& session, const std::vector<std::string>& program);

/// A lock and its place as a message calls them: "deploy" in /var/lock/lockgate.
std::string where(const Session& session, const LockName& name);

/// "waiting for X in PLACE: held by ...".
std::string waiting_line(Session& session, const LockName& name, pid_t self);
/// The same where the place says why it grants nothing.
std::string waiting_line(const Session& session, const LockName& name, const std::string& why);

/// The line for a lock that was not had, with who has it.
std::string busy_line(Session& session, const LockName& name, const Busy& busy);

/// The commands. Each returns the exit status, and throws Error.
int run_exec(Session& session, const Signals& signals);
int run_acquire(Session& session);
int run_release(Session& session);
int run_renew(Session& session);
int run_status(Session& session);
int run_get(Session& session);
int run_set(Session& session);
int run_watch(Session& session);
int run_doctor(Session& session);    // connects by itself: a backend that cannot be made is a finding
int run_complete(Session& session);  // connects where it needs to

}  // namespace lockgate
