// SPDX-License-Identifier: Apache-2.0
// lockgate watch: a line for each change, until it is as --until says, a signal ends it, or its reader has gone.
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

/// What --until waits for.
class Until {
 public:
  Until(Session& session, const std::string& state) : backend_(*session.backend), name_(session.line.names.at(0)) {
    constexpr std::string_view kValue = "value=";
    if (state.starts_with(kValue)) {
      value_ = state.substr(kValue.size());
    }
    free_ = state == "free";
  }

  /// Whether it is so with this event.
  [[nodiscard]] bool reached(const LockEvent& event) const {
    using Kind = LockEvent::Kind;
    const bool is_hold = event.kind == Kind::acquired || event.kind == Kind::value || event.kind == Kind::state;
    if (!free_) {
      return is_hold && event.holder && (!value_ || event.holder->published.value == value_);
    }
    if (event.kind == Kind::state) {
      return !event.holder;
    }
    // Others may share it, or be next in line: of those the end of one hold says nothing.
    return !is_hold && event.kind != Kind::waiting && backend_.list({name_}).front().state == LockState::State::free;
  }

 private:
  Backend& backend_;
  LockName name_;
  bool free_ = false;
  std::optional<std::string> value_;
};

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
  const auto& state = session.flags().until;
  const std::optional<Until> until = state ? std::optional<Until>(std::in_place, session, *state) : std::nullopt;
  bool reached = false;
  // What is thrown here is not for the backend, in the middle of whose work it would come.
  std::exception_ptr failure;
  session.backend->watch(what, end.get(), [&](const LockEvent& event) {
    try {
      print(session.flags().json ? to_json_line(event) : to_line(event));
      reached = until && until->reached(event);
      return reached ? Hearing::enough : Hearing::more;
    } catch (const Error&) {
      failure = std::current_exception();
      return Hearing::enough;
    }
  });
  if (failure) {
    std::rethrow_exception(failure);
  }
  if (reached) {
    return to_int(ExitCode::done);
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
