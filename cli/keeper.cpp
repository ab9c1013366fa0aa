// SPDX-License-Identifier: Apache-2.0
#include "cli/keeper.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "cli/command_wait.hpp"
#include "cli/keeper_notes.hpp"
#include "cli/leased.hpp"
#include "core/error.hpp"
#include "core/handle.hpp"
#include "core/renewer.hpp"

namespace lockgate {
namespace {

constexpr std::chrono::seconds kLookEvery{5};

/// Nothing of the caller's is kept: a pipe that a keeper holds open would never end for its reader, nor would the
/// terminal or the file system be let go.
void detach(KeeperOrder& order) {
  setsid();
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    signal(number, SIG_DFL);  // ignored by the caller or not: `release` asks by SIGTERM
  }
  constexpr int kLink = 3;
  constexpr int kOwner = 4;
  // Through high numbers first: either could stand where the other is to go. All of them end with close_range().
  const int link = fcntl(order.link.release(), F_DUPFD_CLOEXEC, 10);
  const int owner = order.owner ? fcntl(order.owner.release(), F_DUPFD_CLOEXEC, 10) : -1;
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null < 0 || dup2(null, fd) < 0) {
      close(fd);
    }
  }
  order.link.reset(dup3(link, kLink, O_CLOEXEC));
  if (owner >= 0) {
    order.owner.reset(dup3(owner, kOwner, O_CLOEXEC));
  }
  syscall(SYS_close_range, owner >= 0 ? kOwner + 1 : kLink + 1, ~0U, 0);
}

/// The backend anew: connections that the old one had are closed now, unknown to it. So it is not even destroyed.
void reconnect(Session& session) {
  [[maybe_unused]] const Backend* old = session.backend.release();
  connect(session);
}

void tell(const KeeperOrder& order, const std::string& message) {
  send(order.link.get(), message.data(), std::min(message.size(), kMaxKeeperMessage), MSG_NOSIGNAL);
}

bool foreground_knows(const KeeperOrder& order) {
  char answer = 0;
  return recv(order.link.get(), &answer, 1, 0) == 1;
}

/// The foreground is to be stopped, and waits for us to be. SIGTSTP itself does not stop a session of its own.
void stop() {
  // Nothing else reaches what is stopped. Each thread has a setting of its own, and this is not the one that made the
  // other: what is left behind here would end us when the foreground, which has its handle, goes its way.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  raise(SIGSTOP);
  prctl(PR_SET_PDEATHSIG, 0);
}

CommandWaitOptions wait_options(Session& session, const Request& request, const KeeperOrder& order) {
  CommandWaitOptions options;
  options.limit = session.settings.timeout.value.limit;
  options.stop = stop;
  if (session.log.level() != Log::Level::quiet) {
    const auto say = [&order](const std::string& text) {
      // Without waiting: a foreground that is stopped does not read.
      const std::string line = "w" + text;
      send(order.link.get(), line.data(), std::min(line.size(), kMaxKeeperMessage), MSG_NOSIGNAL | MSG_DONTWAIT);
    };
    options.say_line = [&session, say, name = request.name](Duration) { say(waiting_line(session, name, getpid())); };
    options.say_why = [&session, say, name = request.name](const std::string& why) {
      say(waiting_line(session, name, why));
    };
  }
  return options;
}

/// A lease that is renewed for as long as this lives.
struct LeaseKeeping {
  LeaseKeeping(Session& session, const Leased& held)
      : renewer(
            held.timing, held.lease,
            [&session, &held](const Attempt& attempt) { return session.backend->renew(held.grant, attempt); },
            [](const Lease&) {}, lost) {}

  LostEvent lost;
  Renewer renewer;
};

/// What ended the hold.
struct HoldEnd {
  bool is_asked_for = false;  // by `release`, which waits and reads our note
  std::string lost;           // why it is gone before that; empty: it is not
};

/// Holds the lock until it is to be given back.
HoldEnd hold(Session& session, const Grant& grant, const KeeperOrder& order, const UniqueFd& signals,
             const LeaseKeeping* lease) {
  std::array<pollfd, 3> fds = {{{signals.get(), POLLIN, 0},
                                {order.owner.get(), POLLIN, 0},
                                {lease != nullptr ? lease->lost.fd() : -1, POLLIN, 0}}};
  const auto lost = [&] {
    return (lease != nullptr ? lease->lost.reason() : session.backend->damage(grant)).value_or("");
  };
  const BootTime begin = BootClock::now();
  const std::optional<BootTime> over =
      session.flags().max_hold ? std::optional(begin + *session.flags().max_hold) : std::nullopt;
  while (true) {
    const BootTime now = BootClock::now();
    if (over && now >= *over) {
      return {false, lost()};
    }
    const BootTime wake = over ? std::min(*over, now + kLookEvery) : now + kLookEvery;
    poll(fds.data(), fds.size(), poll_timeout(wake, now));
    HoldEnd end{Signals::next(signals).has_value(), lost()};
    if (end.is_asked_for || !end.lost.empty() || fds[1].revents != 0) {
      return end;
    }
  }
}

void on_loss(const Session& session, const KeeperOrder& order) {
  if (order.owner && session.settings.on_lost.value != "continue") {
    syscall(SYS_pidfd_send_signal, order.owner.get(), SIGTERM, nullptr, 0);
  }
}

/// Gives the lock back, and leaves in the note what `release` has to tell of it, if it was not to be had.
int give_back(Session& session, const Grant& grant, const KeeperNotes& notes, KeeperNote note, const HoldEnd& end) {
  // The note first: whoever sees the lock free is not to find a hold that could still be released.
  notes.remove(note.id);
  try {
    if (session.backend->release(grant) == Released::done || !grant.lease) {
      return to_int(ExitCode::done);
    }
    note.lost = "it was gone before it was released";
  } catch (const Error& error) {
    if (!grant.lease) {
      throw;
    }
    note.not_released = error.what();
  }
  if (end.is_asked_for) {
    notes.write(note);
  }
  return to_int(ExitCode::lost);
}

/// From the grant to the end of the hold.
int keep_held(Session& session, const Grant& grant, const KeeperOrder& order, const UniqueFd& signals,
              LeaseKeeping* lease) {
  const KeeperNotes notes;
  KeeperNote note{public_id_text(grant.handle),
                  grant.handle,
                  session.backend->identity(grant.name),
                  grant.mode,
                  getpid(),
                  BootClock::now(),
                  boot_id(),
                  order.acquirer,
                  order.acquirer_since,
                  "",
                  ""};
  notes.write(note);
  // Before the word, for the foreground ends as soon as it has told the user. If it ends without, the link says so.
  prctl(PR_SET_PDEATHSIG, 0);
  tell(order, "g" + grant.handle);
  const HoldEnd end = foreground_knows(order) ? hold(session, grant, order, signals, lease) : HoldEnd{};
  if (lease != nullptr) {
    lease->renewer.stop();
  }
  if (end.lost.empty()) {
    return give_back(session, grant, notes, note, end);
  }
  note.lost = end.lost;
  try {
    notes.write(note);
  } catch (const Error&) {
    // Disk full, say: the owner has to hear of it all the same.
  }
  on_loss(session, order);
  if (lease == nullptr) {
    [[maybe_unused]] const Released released = session.backend->release(grant);
  }
  return to_int(ExitCode::lost);
}

int tell_busy(Session& session, const LockName& name, const KeeperOrder& order, const Busy& busy) {
  tell(order, "b" + busy_line(session, name, busy));
  return to_int(ExitCode::conflict);
}

int take_and_keep(Session& session, const Request& request, const KeeperOrder& order, const UniqueFd& signals) {
  CommandWait waiting(wait_options(session, request, order));
  const auto result = session.backend->acquire(request, waiting);
  if (const auto* busy = std::get_if<Busy>(&result)) {
    return tell_busy(session, request.name, order, *busy);
  }
  return keep_held(session, std::get<Grant>(result), order, signals, nullptr);
}

int take_and_keep_leased(Session& session, const Request& request, const KeeperOrder& order, const UniqueFd& signals) {
  CommandWait waiting(wait_options(session, request, order));
  const auto result = take_leased(session, request, waiting);
  if (const auto* busy = std::get_if<Busy>(&result)) {
    return tell_busy(session, request.name, order, *busy);
  }
  const auto& held = std::get<Leased>(result);
  try {
    LeaseKeeping lease(session, held);
    return keep_held(session, held.grant, order, signals, &lease);
  } catch (const Error&) {
    release_quietly(session, held.grant);  // the note could not be written, say
    throw;
  }
}

int run(Session& session, const Request& request, const KeeperOrder& order) {
  // While the foreground is there, its end is the end of the wish: it dies, we get SIGTERM.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != order.foreground) {
    return to_int(ExitCode::conflict);  // it died before the line above
  }
  const UniqueFd signals = Signals::open({SIGTERM, SIGINT, SIGHUP, SIGQUIT});
  return has_leases(session) ? take_and_keep_leased(session, request, order, signals)
                             : take_and_keep(session, request, order, signals);
}

}  // namespace

void keep(Session& session, const Request& request, KeeperOrder order) {
  detach(order);
  int status = to_int(ExitCode::internal);
  try {
    if (has_leases(session)) {
      reconnect(session);
    }
    [[maybe_unused]] const int moved = chdir("/");
    status = run(session, request, order);
  } catch (const Cancelled&) {
    status = to_int(ExitCode::conflict);
  } catch (const Error& error) {
    tell(order, fmt::format("e{} {}\n{}", to_int(error.code()), error.what(), error.next_step()));
  } catch (const std::exception& error) {
    tell(order, fmt::format("e{} internal error: {}\n", status, error.what()));
  }
  _exit(status);
}

}  // namespace lockgate
