// SPDX-License-Identifier: Apache-2.0
#include "cli/wait_line.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/duration.hpp"

namespace lockgate {
namespace {

constexpr auto kEraseLine = "\r\x1b[K";

/// A wait line is not worth waiting for: whoever does not read our stderr must not hold the lock up.
bool can_write() {
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0;
}

void write_terminal(const std::string& text) {
  if (!can_write()) {
    return;
  }
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

/// True where the line can be drawn over and over: on the terminal that this process has.
bool has_terminal() {
  return isatty(STDERR_FILENO) == 1 && tcgetpgrp(STDERR_FILENO) == getpgrp();
}

/// The beginning of `text` that surely fits on one line of the terminal: no character is wider than its bytes are many.
std::string cut_to_terminal(const std::string& text) {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2 || text.size() < size.ws_col) {
    return text;
  }
  std::size_t end = size.ws_col - 1U;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;  // not in the middle of a character
  }
  return text.substr(0, end);
}

}  // namespace

WaitLine::WaitLine(Session& session, LockName name)
    : session_(session),
      name_(std::move(name)),
      kind_(has_terminal() ? WaitLineSchedule::Kind::live : WaitLineSchedule::Kind::lines) {
}

WaitLine::~WaitLine() {
  erase();
}

void WaitLine::erase() {
  if (shown_ && has_terminal()) {
    write_terminal(kEraseLine);
  }
  shown_ = false;
}

CommandWaitOptions WaitLine::options() {
  CommandWaitOptions options;
  options.limit = session_.settings.timeout.value.limit;
  options.line = kind_;
  if (session_.log.level() != Log::Level::quiet) {
    options.say_line = [this](Duration waited) { say(waited); };
    options.say_why = [this](const std::string& why) { say_why(why); };
  }
  options.stop = [this] {
    erase();
    stop_self(SIGTSTP);
  };
  return options;
}

void WaitLine::say_why(const std::string& why) {
  if (can_write()) {
    erase();
    session_.log.say(waiting_line(session_, name_, why));
  }
}

void WaitLine::say(Duration waited) {
  if (!can_write()) {
    return;
  }
  const std::string text = waiting_line(session_, name_, getpid());
  if (kind_ == WaitLineSchedule::Kind::lines) {
    session_.log.say(text);
    return;
  }
  if (has_terminal()) {
    shown_ = true;
    write_terminal(kEraseLine + cut_to_terminal(fmt::format("lockgate: {} ({})", text, format_duration(waited))));
  }
}

}  // namespace lockgate
