// SPDX-License-Identifier: Apache-2.0
// lockgate release: one's own hold, found by its handle or by who acquired it; or, with --force, another's.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "cli/describe.hpp"
#include "cli/leased.hpp"
#include "cli/own_hold.hpp"
#include "cli/session.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"

namespace lockgate {
namespace {

constexpr std::chrono::seconds kPatience{10};

int report_loss(const Session& session, const KeeperNotes& notes, const KeeperNote& note) {
  notes.remove(note.id);
  session.log.error(fmt::format("the hold of {} was already gone: {}", quote(note.lock.name),
                                note.lost.empty() ? "its keeper was killed" : printable(note.lost)));
  return to_int(ExitCode::lost);
}

/// Without a keeper: by the handle alone, which is all that a lease needs. 0, or 76.
int release_by_handle(const Session& session, const LockName& name, const std::string& handle) {
  const Grant grant{.name = name, .handle = handle, .lease = Lease{}};
  if (session.backend->release(grant) == Released::was_lost) {
    session.log.error(fmt::format("no hold of {} has this handle, or not any more", where(session, name)));
    return to_int(ExitCode::lost);
  }
  return to_int(ExitCode::done);
}

/// The keeper has ended, and has not taken its note away: it was lost before, or could not be given back, or the keeper
/// was killed.
int release_without_keeper(const Session& session, const KeeperNotes& notes, const LockName& name,
                           const KeeperNote& left) {
  if (!has_leases(session) || !left.lost.empty()) {
    return report_loss(session, notes, left);
  }
  if (left.not_released.empty()) {
    const int status = release_by_handle(session, name, left.handle);  // it may live on for the rest of its lease
    notes.remove(left.id);
    return status;
  }
  notes.remove(left.id);
  throw Error(ExitCode::unavailable,
              fmt::format("the hold of {} was not given back: {}", quote(left.lock.name), printable(left.not_released)),
              "nobody renews it any more: it is free when its lease has run out");
}

/// 0, or 76 where the hold was already gone.
int give_back(const Session& session, const KeeperNotes& notes, const LockName& name, const KeeperNote& note) {
  const UniqueFd claim = notes.claim(note.id);
  if (!claim) {
    session.log.error(fmt::format("the hold of {} was already released", quote(note.lock.name)));
    return to_int(ExitCode::lost);
  }
  const auto keeper = note.find_keeper();
  if (!keeper) {
    return release_without_keeper(session, notes, name, note);
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
      return release_without_keeper(session, notes, name, left);
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
    const std::vector<KeeperNote> meant = choose_own(holds);
    if (meant.size() > 1 || (meant.empty() && !holds.empty())) {
      fail_ambiguous(session, name, holds, "give the handle that acquire printed, or --mine for all of them");
    }
    holds = meant;
  }
  if (holds.empty() && has_leases(session) && session.flags().handle) {
    return release_by_handle(session, name, *session.flags().handle);  // acquired elsewhere, by whatever
  }
  if (holds.empty()) {
    session.log.error(fmt::format("no hold of {} that `lockgate acquire` took {}", where(session, name),
                                  handle ? "has this handle" : "for this user on this host"));
    session.log.error("lockgate status shows who holds it; --force breaks another's hold");
    return to_int(ExitCode::lost);
  }
  int status = to_int(ExitCode::done);
  for (const KeeperNote& note : holds) {
    status = std::max(status, give_back(session, notes, name, note));
  }
  return status;
}

}  // namespace lockgate
