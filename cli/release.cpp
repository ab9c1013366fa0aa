// SPDX-License-Identifier: Apache-2.0
// lockgate release: one's own hold, found by its handle or by who acquired it; or, with --force, another's.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#include "cli/describe.hpp"
#include "cli/keeper_notes.hpp"
#include "cli/session.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/process_table.hpp"

namespace lockgate {
namespace {

constexpr std::chrono::seconds kPatience{10};

std::string describe(const KeeperNote& note) {
  return fmt::format("hold {}, keeper pid {}, acquired for process {} ({}), since {}", note.id, note.keeper,
                     note.acquirer, note.acquirer_runs() ? "runs" : "has ended",
                     format_duration(std::max(Duration(0), BootClock::now() - note.since)) + " ago");
}

std::vector<KeeperNote> holds_of(const Session& session, const KeeperNotes& notes, const LockName& name) {
  std::vector<KeeperNote> found = notes.read();
  std::erase_if(found, [&](const KeeperNote& note) { return !session.backend->is_same(note.lock, name); });
  return found;
}

/// The handle on the command line, or the one in the environment if it is for this name.
std::optional<std::string> wanted_handle(const Session& session, const LockName& name) {
  const char* its_name = std::getenv("LOCKGATE_NAME");
  const char* handle = std::getenv("LOCKGATE_HANDLE");
  if (session.flags().handle || session.flags().mine || its_name == nullptr || handle == nullptr ||
      name.text() != its_name) {
    return session.flags().handle;
  }
  return handle;
}

/// Of several holds, the one that is meant where no handle was given.
std::vector<KeeperNote> choose(const std::vector<KeeperNote>& holds) {
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

[[noreturn]] void fail_ambiguous(const Session& session, const LockName& name, const std::vector<KeeperNote>& holds) {
  for (const KeeperNote& note : holds) {
    session.log.error(describe(note));
  }
  throw Error(
      ExitCode::usage,
      fmt::format("which hold of {} is meant? {} of this user's on this host could be", name.quoted(), holds.size()),
      "give the handle that acquire printed, or --mine for all of them");
}

int report_loss(const Session& session, const KeeperNotes& notes, const KeeperNote& note) {
  notes.remove(note.id);
  session.log.error(fmt::format("the hold of {} was already gone: {}", quote(note.lock.name),
                                note.lost.empty() ? "its keeper was killed" : note.lost));
  return to_int(ExitCode::lost);
}

/// 0, or 76 where the hold was already gone.
int give_back(const Session& session, const KeeperNotes& notes, const KeeperNote& note) {
  const UniqueFd claim = notes.claim(note.id);
  if (!claim) {
    session.log.error(fmt::format("the hold of {} was already released", quote(note.lock.name)));
    return to_int(ExitCode::lost);
  }
  const auto keeper = note.find_keeper();
  if (!keeper) {
    return report_loss(session, notes, note);
  }
  if (const int error = keeper->signal(SIGTERM); error != 0) {
    throw Error(ExitCode::not_allowed, fmt::format("cannot end the keeper {}: {}", note.keeper, errno_text(error)));
  }
  if (!keeper->wait_until(BootClock::now() + kPatience)) {
    throw Error(ExitCode::unavailable,
                fmt::format("the keeper {} has not let go of {} within {}", note.keeper, quote(note.lock.name),
                            format_duration(kPatience)),
                "is it stopped? kill -CONT it, and try again");
  }
  for (const KeeperNote& left : notes.read()) {
    if (left.id == note.id) {
      return report_loss(session, notes, left);  // it took its note away if all was well
    }
  }
  return to_int(ExitCode::done);
}

bool ask(const std::string& question) {
  const std::string text = "lockgate: " + question + " [y/N] ";
  std::array<char, 64> answer{};
  if (write(STDERR_FILENO, text.data(), text.size()) < 0 || read(STDIN_FILENO, answer.data(), answer.size()) <= 0) {
    return false;
  }
  return answer[0] == 'y' || answer[0] == 'Y';
}

int release_by_force(Session& session, const LockName& name) {
  const LockState lock = session.backend->list({name}).front();
  if (lock.holders.empty()) {
    const bool free = lock.state == LockState::State::free;
    session.log.error(fmt::format("{} is {}: there is nothing to break{}", where(session, name), to_string(lock.state),
                                  free ? "" : ", as far as can be seen from here"));
    return to_int(free ? ExitCode::lost : ExitCode::unavailable);
  }
  for (const HolderInfo& holder : lock.holders) {
    session.log.say(fmt::format("{} is held by {}", name.quoted(), describe(holder, wall_now())));
  }
  if (!session.flags().yes) {
    if (isatty(STDIN_FILENO) != 1) {
      throw Error(ExitCode::usage, "nobody is here to confirm that the hold is to be broken", "say --yes to break it");
    }
    if (!ask("break it?")) {
      session.log.say("nothing was broken");
      return to_int(ExitCode::conflict);
    }
  }
  int status = to_int(ExitCode::done);
  for (const Breaking& broken : session.backend->break_holds(name, kPatience)) {
    if (broken.result != Breaking::Result::released) {
      session.log.error(
          fmt::format("not broken: {}{}", describe(broken.holder, wall_now()),
                      broken.why.empty() ? ", because another holder cannot be asked" : ": " + broken.why));
      status = to_int(ExitCode::conflict);
    }
  }
  return status;
}

}  // namespace

int run_release(Session& session) {
  const LockName name(session.line.names.at(0));
  if (session.flags().force) {
    return release_by_force(session, name);
  }
  const KeeperNotes notes;
  std::vector<KeeperNote> holds = holds_of(session, notes, name);
  const std::optional<std::string> handle = wanted_handle(session, name);
  if (handle) {
    std::erase_if(holds, [&](const KeeperNote& note) { return note.handle != *handle; });
  } else if (!session.flags().mine) {
    const std::vector<KeeperNote> meant = choose(holds);
    if (meant.size() > 1 || (meant.empty() && !holds.empty())) {
      fail_ambiguous(session, name, holds);
    }
    holds = meant;
  }
  if (holds.empty()) {
    session.log.error(fmt::format("no hold of {} that `lockgate acquire` took {}", where(session, name),
                                  handle ? "has this handle" : "for this user on this host"));
    session.log.error("lockgate status shows who holds it; --force breaks another's hold");
    return to_int(ExitCode::lost);
  }
  int status = to_int(ExitCode::done);
  for (const KeeperNote& note : holds) {
    status = std::max(status, give_back(session, notes, note));
  }
  return status;
}

}  // namespace lockgate
