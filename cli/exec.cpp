// SPDX-License-Identifier: Apache-2.0
// lockgate exec: the main job.
#include "cli/exec.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "cli/held.hpp"
#include "cli/leased.hpp"
#include "cli/wait_line.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"

extern char** environ;

namespace lockgate {
namespace {

constexpr int kLowestLockFd = 10;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> program_to_run(const CommandLine& line) {
  if (!line.flags.shell) {
    return line.argv;
  }
  const std::string shell = variable("SHELL");
  return {shell.empty() ? "/bin/sh" : shell, "-c", *line.flags.shell};
}

/// The environment of this process with some variables set, and others taken out where their value is empty.
std::vector<std::string> environment_with(std::initializer_list<std::pair<std::string_view, std::string>> changes) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name = std::string_view(*entry).substr(0, std::string_view(*entry).find('='));
    if (std::none_of(changes.begin(), changes.end(), [&](const auto& change) { return change.first == name; })) {
      environment.emplace_back(*entry);
    }
  }
  for (const auto& [name, value] : changes) {
    if (!value.empty()) {
      environment.push_back(fmt::format("{}={}", name, value));
    }
  }
  return environment;
}

/// What the command gets to know of its lock.
std::vector<std::string> environment_for(Session& session, const Grant& grant, int lock_fd) {
  std::string held;
  for (const HeldEntry& ancestors : parse_held(variable("LOCKGATE_HELD"))) {
    held += to_line(ancestors) + "\n";
  }
  held += to_line({session.backend->identity(grant.name), grant.handle});
  return environment_with(
      {{"LOCKGATE_NAME", grant.name.text()},
       {"LOCKGATE_HANDLE", grant.handle},
       {"LOCKGATE_FENCING_TOKEN", grant.lease && grant.token == 0 ? "" : std::to_string(grant.token)},
       {"LOCKGATE_MODE", std::string(to_string(grant.mode))},
       {"LOCKGATE_BACKEND", session.backend->url()},
       {"LOCKGATE_HELD", held},
       {"LOCKGATE_FD", lock_fd < 0 ? "" : std::to_string(lock_fd)}});
}

/// Before the lock is taken: a command that could not be given the lock's descriptor is not to wait for the lock.
void check_descriptor_limit(const Flags& flags) {
  rlimit limit{};
  if (!flags.close && getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= kLowestLockFd) {
    throw Error(ExitCode::internal,
                fmt::format("the limit of open files is {}: no room for the descriptor that the command inherits",
                            limit.rlim_cur),
                "raise it (ulimit -n), or keep the descriptor from the command with --close");
  }
}

/// A copy of the lock's descriptor that the command inherits: so the lock lives as long as the command, also where
/// lockgate is killed.
UniqueFd inheritable(const Grant& grant) {
  UniqueFd fd(fcntl(grant.lifeline, F_DUPFD, kLowestLockFd));
  if (!fd) {
    throw Error(ExitCode::internal, "no descriptor left for the command: " + errno_text(errno),
                "raise the limit of open files (ulimit -n), or keep the descriptor from the command with --close");
  }
  return fd;
}

/// Where an ancestor of this process already has the lock, waiting for it would never end.
enum class Entry { take, pass, refuse };

Entry check_ancestors(Session& session, Request& request) {
  const std::string held = variable("LOCKGATE_HELD");
  if (held.empty()) {
    return Entry::take;
  }
  const AncestorHold hold = ancestor_hold(parse_held(held), *session.backend, request.name);
  const bool covers = hold == AncestorHold::exclusive || (hold == AncestorHold::shared && request.mode == Mode::shared);
  if (covers && session.flags().reentrant) {
    return Entry::pass;
  }
  request.ancestor_shares = hold == AncestorHold::shared;
  if (hold == AncestorHold::none || (hold == AncestorHold::shared && request.mode == Mode::shared)) {
    return Entry::take;
  }
  session.log.error(fmt::format("{} is held by an ancestor of this process{}: waiting for it would never end",
                                request.name.quoted(), covers ? "" : ", shared"));
  session.log.error(covers ? "to pass where an ancestor has the lock, say --reentrant"
                           : "a shared hold cannot become an exclusive one: take it exclusively outside");
  return Entry::refuse;
}

/// For a hold that the kernel keeps: others may get at its file all the same.
std::function<void()> watch_over(Session& session, const Grant& grant) {
  return [&session, &grant, said = false]() mutable {
    const auto damage = said ? std::nullopt : session.backend->damage(grant);
    if (damage) {
      said = true;
      session.log.error(fmt::format("{} while {} was held: others may take the lock now, the command goes on", *damage,
                                    grant.name.quoted()));
    }
  };
}

int run_under(Session& session, const Signals& signals, const Grant& grant, const std::vector<std::string>& program) {
  UniqueFd lock_fd;
  if (grant.lifeline >= 0 && !session.flags().close) {
    lock_fd = inheritable(grant);
  }
  SuperviseOptions options = supervise_options(session);
  options.look_after_hold = watch_over(session, grant);
  Supervisor supervisor(signals, options);
  const int error = supervisor.start(command_under(session, grant, lock_fd.get(), program));
  if (error != 0) {
    [[maybe_unused]] const Released released = session.backend->release(grant);
    fail_to_start(program[0], error);
  }
  const Outcome outcome = supervisor.run();
  if (outcome.left == Outcome::Left::nothing) {
    if (session.backend->release(grant) == Released::was_lost) {
      session.log.error(fmt::format("the hold of {} was gone before it was released", grant.name.quoted()));
    }
  } else {
    tell_what_is_left(session, outcome, "and keeps the lock");
    session.backend->abandon(grant);
  }
  return conclude(session, outcome);
}

int run_without_lock(Session& session, const Signals& signals, const std::vector<std::string>& program) {
  Supervisor supervisor(signals, supervise_options(session));
  if (const int error = supervisor.start({program, environment_with({})}); error != 0) {
    fail_to_start(program[0], error);
  }
  const Outcome outcome = supervisor.run();
  tell_what_is_left(session, outcome, "and goes on");
  return conclude(session, outcome);
}

std::variant<Grant, Busy> wait_for_lock(Session& session, const Request& request) {
  WaitLine line(session, request.name);
  CommandWait waiting(line.options());
  return session.backend->acquire(request, waiting);
}

int take_and_run(Session& session, const Signals& signals, const Request& request,
                 const std::vector<std::string>& program) {
  const auto result = wait_for_lock(session, request);
  if (const auto* busy = std::get_if<Busy>(&result)) {
    session.log.say(busy_line(session, request.name, *busy));
    return session.settings.conflict_exit_code.value;
  }
  return run_under(session, signals, std::get<Grant>(result), program);
}

}  // namespace

Command command_under(Session& session, const Grant& grant, int lock_fd, const std::vector<std::string>& program) {
  return {program, environment_for(session, grant, lock_fd)};
}

SuperviseOptions supervise_options(const Session& session) {
  SuperviseOptions options;
  options.kill_after = session.settings.kill_after.value;
  options.max_hold = session.flags().max_hold;
  options.wait_for = session.flags().wait_tree ? WaitFor::tree : WaitFor::command;
  return options;
}

void fail_to_start(const std::string& program, int error) {
  if (error == ENOENT) {
    throw Error(ExitCode::not_found, fmt::format("cannot run {}: not found", quote(program)),
                "look at the spelling, at PATH, and at the #! line if it is a script");
  }
  struct stat st {};
  const bool is_directory = stat(program.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
  throw Error(ExitCode::cannot_execute,
              fmt::format("cannot run {}: {}", quote(program), is_directory ? "it is a directory" : errno_text(error)),
              error == E2BIG ? "the command line and the environment are too large"
                             : "COMMAND is a program or script with the x permission");
}

void tell_what_is_left(const Session& session, const Outcome& outcome, const std::string& what_of_it) {
  for (const ProcessInfo& process : outcome.unreachable) {
    session.log.error(fmt::format("process {} ({}) could not be ended: it belongs to another user, {}", process.pid,
                                  printable(process.command), what_of_it));
  }
  if (outcome.left == Outcome::Left::something && outcome.unreachable.empty()) {
    session.log.error("something that the command started goes on: /proc does not show it here");
  }
}

int conclude(const Session& session, const Outcome& outcome) {
  if (outcome.cause == Outcome::Cause::max_hold) {
    session.log.error(fmt::format("the command was ended after {} (--max-hold)",
                                  format_duration(session.flags().max_hold.value_or(Duration(0)))));
    return to_int(ExitCode::max_hold);
  }
  const bool by_keyboard = outcome.had_terminal && WIFSIGNALED(outcome.wait_status) &&
                           (WTERMSIG(outcome.wait_status) == SIGINT || WTERMSIG(outcome.wait_status) == SIGQUIT);
  if (by_keyboard && getsid(0) != getpid()) {
    // Without lockgate in between, Ctrl-C would have reached everyone in our group: the shell loop or make around us,
    // too. They are to end as they would have.
    signal(WTERMSIG(outcome.wait_status), SIG_DFL);
    kill(0, WTERMSIG(outcome.wait_status));
    die_of(WTERMSIG(outcome.wait_status));
  }
  return outcome.exit_status();
}

int run_exec(Session& session, const Signals& signals) {
  const std::vector<std::string> program = program_to_run(session.line);
  Request request = make_request(session, program);
  if (has_leases(session)) {
    [[maybe_unused]] const Timing possible = wanted_timing(session, request);
  } else {
    check_descriptor_limit(session.flags());
  }
  switch (check_ancestors(session, request)) {
    case Entry::pass:
      return run_without_lock(session, signals, program);
    case Entry::refuse:
      return session.settings.conflict_exit_code.value;
    case Entry::take:
      break;
  }
  return has_leases(session) ? exec_leased(session, signals, request, program)
                             : take_and_run(session, signals, request, program);
}

}  // namespace lockgate
