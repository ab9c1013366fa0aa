// SPDX-License-Identifier: Apache-2.0
// lockgate acquire: the foreground, which waits for its keeper's word.
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "cli/held.hpp"
#include "cli/keeper.hpp"
#include "cli/leased.hpp"
#include "core/error.hpp"
#include "core/process_table.hpp"

namespace lockgate {
namespace {

UniqueFd open_owner(std::optional<pid_t> owner) {
  if (!owner) {
    return UniqueFd();
  }
  // Before the lock is taken: an owner that ends in between has then ended for the keeper, too.
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, *owner, 0)));
  if (!fd) {
    throw Error(ExitCode::usage, fmt::format("--owner-pid {}: {}", *owner, errno_text(errno)),
                "give the number of a process that runs, for example --owner-pid $$");
  }
  return fd;
}

/// "e69 what\nnext" as the Error it was.
Error parse_error(std::string_view text) {
  int code = to_int(ExitCode::internal);
  const auto end = std::from_chars(text.data(), text.data() + text.size(), code).ptr;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  text.remove_prefix(text.starts_with(' ') ? 1 : 0);
  const std::size_t newline = std::min(text.find('\n'), text.size());
  return {static_cast<ExitCode>(code), std::string(text.substr(0, newline)),
          std::string(text.substr(std::min(newline + 1, text.size())))};
}

/// Ctrl-Z: a keeper that waited on could be given a lock that nobody would hear of. First it stops, then we do.
void stop_if_stopped(pid_t keeper) {
  int status = 0;
  if (waitpid(keeper, &status, WUNTRACED | WNOHANG) == keeper && WIFSTOPPED(status)) {
    stop_self(SIGTSTP);
    kill(keeper, SIGCONT);
  }
}

/// The keeper's next message; empty when it has none any more.
std::string next_message(const UniqueFd& link, pid_t keeper, const UniqueFd& signals) {
  while (true) {
    std::array<pollfd, 2> fds = {{{link.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}}};
    poll(fds.data(), fds.size(), -1);
    while (const auto number = Signals::next(signals)) {
      if (*number == SIGCHLD) {
        stop_if_stopped(keeper);
      } else if (*number == SIGTSTP) {
        kill(keeper, SIGTSTP);
      } else {
        throw Cancelled{*number};  // our end tells the keeper
      }
    }
    if (fds[0].revents != 0) {
      std::string message(kMaxKeeperMessage, '\0');
      const ssize_t length = recv(link.get(), message.data(), message.size(), 0);
      message.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
      return message;
    }
  }
}

int relay(Session& session, const UniqueFd& link, pid_t keeper) {
  const UniqueFd signals = Signals::open({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCHLD});
  while (true) {
    const std::string message = next_message(link, keeper, signals);
    const char kind = message.empty() ? '\0' : message[0];
    const std::string text = message.empty() ? "" : message.substr(1);
    switch (kind) {
      case 'w':
        session.log.say(text);
        break;
      case 'g':
        print(text + "\n");  // where this fails the keeper hears no answer, and lets go
        send(link.get(), "k", 1, MSG_NOSIGNAL);
        return to_int(ExitCode::done);
      case 'b':
        session.log.say(text);
        return session.settings.conflict_exit_code.value;
      case 'e':
        throw parse_error(text);
      default:
        throw Error(ExitCode::internal, "the keeper ended before it had taken the lock");
    }
  }
}

}  // namespace

int run_acquire(Session& session) {
  const Request request = make_request(session, {});
  if (has_leases(session)) {
    [[maybe_unused]] const Timing possible = wanted_timing(session, request);
  }
  const char* held = std::getenv("LOCKGATE_HELD");
  if (held != nullptr) {
    const AncestorHold hold = ancestor_hold(parse_held(held), *session.backend, request.name);
    if (hold == AncestorHold::exclusive || (hold == AncestorHold::shared && request.mode == Mode::exclusive)) {
      session.log.error(fmt::format("{} is held by an ancestor of this process: waiting for it would never end",
                                    request.name.quoted()));
      return session.settings.conflict_exit_code.value;
    }
  }
  KeeperOrder order;
  order.owner = open_owner(session.flags().owner_pid);
  order.foreground = getpid();
  order.acquirer = getppid();
  order.acquirer_since = start_time(order.acquirer).value_or(BootTime());
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw Error(ExitCode::internal, "cannot make a socket pair: " + errno_text(errno));
  }
  UniqueFd mine(ends[0]);
  order.link.reset(ends[1]);
  const pid_t keeper = fork();
  if (keeper < 0) {
    throw Error(ExitCode::internal, "cannot start the keeper: " + errno_text(errno), "too many processes?");
  }
  if (keeper == 0) {
    mine.reset();
    keep(session, request, std::move(order));
  }
  order.link.reset();
  return relay(session, mine, keeper);
}

}  // namespace lockgate
