// SPDX-License-Identifier: Apache-2.0
// lockgate watch: a line for each change, until a signal ends it or its reader has gone.
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>

#include "cli/session.hpp"
#include "cli/status_output.hpp"
#include "core/error.hpp"

namespace lockgate {
namespace {

/// Readable when a signal is there, or nobody reads our output any more: without that, `lockgate watch | head` would
/// stay until the next change, which may never come.
UniqueFd open_end(const UniqueFd& signals) {
  UniqueFd end(epoll_create1(EPOLL_CLOEXEC));
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  if (!end || epoll_ctl(end.get(), EPOLL_CTL_ADD, signals.get(), &wanted) != 0) {
    throw Error(ExitCode::internal, "cannot wait for signals: " + errno_text(errno));
  }
  wanted.events = 0;                                            // an error or a hang-up is told in any case
  epoll_ctl(end.get(), EPOLL_CTL_ADD, STDOUT_FILENO, &wanted);  // refused for a file, which has no reader to lose
  return end;
}

bool reader_has_gone() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace

int run_watch(Session& session) {
  Watched what;
  for (const std::string& name : session.line.names) {
    what.names.emplace_back(name);
  }
  what.prefixes = session.flags().name_prefixes;
  let_keyboard_stop();
  const UniqueFd signals = Signals::open({SIGINT, SIGTERM, SIGHUP, SIGQUIT});
  const UniqueFd end = open_end(signals);
  // What print() throws is not for the backend, in the middle of whose work it would come.
  std::exception_ptr failure;
  session.backend->watch(what, end.get(), [&](const LockEvent& event) {
    try {
      print(session.flags().json ? to_json_line(event) : to_line(event));
      return Hearing::more;
    } catch (const Error&) {
      failure = std::current_exception();
      return Hearing::enough;
    }
  });
  if (failure) {
    std::rethrow_exception(failure);
  }
  if (const auto number = Signals::next(signals)) {
    die_of(*number);
  }
  if (reader_has_gone() && !is_ignored(SIGPIPE)) {
    die_of(SIGPIPE);
  }
  return to_int(ExitCode::done);
}

}  // namespace lockgate
