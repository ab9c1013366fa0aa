// SPDX-License-Identifier: Apache-2.0
// A pseudo-terminal with a program on it, and a user who types and reads.
#pragma once

#include <doctest/doctest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "tests/process.hpp"

namespace process_test {

inline constexpr std::string_view kCtrlC = "\x03";
inline constexpr std::string_view kCtrlZ = "\x1a";
inline constexpr std::string_view kCtrlBackslash = "\x1c";
inline constexpr std::string_view kPrompt = "ready> ";

/// One program as the leader of a session on a terminal of its own.
class Pty {
 public:
  /// The program is found in PATH. It lives until it ends by itself, or until `place` ends it.
  Pty(const Place& place, std::vector<std::string> program) {
    std::vector<char*> argv;
    argv.reserve(program.size() + 1);
    for (std::string& word : program) {
      argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    (void)Place::lockgate();  // before anything is forked that would miss it
    winsize size{.ws_row = 50, .ws_col = 500, .ws_xpixel = 0, .ws_ypixel = 0};
    int master = -1;
    pid_ = ::forkpty(&master, nullptr, nullptr, &size);
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      place.enter();
      Place::reset_signals();
      const rlimit no_core{0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
      ::setenv("PS1", std::string(kPrompt).c_str(), 1);
      ::setenv("TERM", "dumb", 1);
      ::execvp(argv[0], argv.data());
      ::_exit(99);
    }
    ::fcntl(master, F_SETFD, FD_CLOEXEC);
    master_.reset(master);
  }

  void type(std::string_view keys) const {
    REQUIRE(::write(master_.get(), keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  }

  /// Reads until `text` appears behind what was expected before. What came in between.
  std::string expect(std::string_view text) {
    const auto until = BootClock::now() + kPatience;
    std::size_t found = std::string::npos;
    while ((found = seen_.find(text, next_)) == std::string::npos) {
      const bool more = read_some(until);
      INFO("waited for: " << std::string(text) << "\nseen:\n" << seen_);
      REQUIRE(more);
    }
    std::string between = seen_.substr(next_, found - next_);
    next_ = found + text.size();
    return between;
  }

  /// Everything that has appeared on the terminal so far.
  [[nodiscard]] const std::string& seen() const { return seen_; }
  /// How often `text` has.
  [[nodiscard]] int count(std::string_view text) const {
    int times = 0;
    for (std::size_t at = seen_.find(text); at != std::string::npos; at = seen_.find(text, at + 1)) {
      ++times;
    }
    return times;
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] pid_t foreground() const {
    pid_t group = 0;
    ::ioctl(master_.get(), TIOCGPGRP, &group);
    return group;
  }
  [[nodiscard]] termios settings() const {
    termios settings{};
    ::tcgetattr(master_.get(), &settings);
    return settings;
  }

  void set_columns(unsigned short columns) const {
    const winsize size{.ws_row = 50, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ::ioctl(master_.get(), TIOCSWINSZ, &size);
  }

  /// The window is closed.
  void hang_up() { master_.reset(); }

  /// The wait status of the program, once it has ended.
  [[nodiscard]] int wait() {
    int status = 0;
    const bool ended = comes_true([&] {
      drain();
      return ::waitpid(pid_, &status, WNOHANG) == pid_;
    });
    INFO("seen:\n" << seen_);
    REQUIRE(ended);
    return status;
  }

 private:
  bool read_some(lockgate::BootTime until) {
    pollfd input{.fd = master_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&input, 1, lockgate::poll_timeout(until, BootClock::now())) != 1) {
      return false;
    }
    std::array<char, 4096> buffer{};
    const ssize_t length = ::read(master_.get(), buffer.data(), buffer.size());
    seen_.append(buffer.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    return length > 0;
  }
  void drain() {
    while (master_ && read_some(BootClock::now())) {
    }
  }

  lockgate::UniqueFd master_;
  pid_t pid_ = 0;
  std::string seen_;
  std::size_t next_ = 0;
};

/// An interactive shell on a terminal, with job control.
class Shell : public Pty {
 public:
  Shell(const Place& place, std::vector<std::string> program) : Pty(place, std::move(program)) { prompt(); }

  /// Waits for the shell to be the one that reads the terminal again.
  std::string prompt() { return expect(kPrompt); }
  /// Types a line; the echo of it is passed over.
  void line(const std::string& text) {
    type(text + "\n");
    expect("\n");
  }
  /// What the shell says to `text`, for a line that ends at once. Whatever it had to say before is passed over.
  std::string answer(const std::string& text) {
    const std::string number = std::to_string(++answers_);
    type("echo begin-$((" + number + ")); " + text + "; echo end-$((" + number + "))\n");
    expect("begin-" + number + "\r\n");
    std::string said = expect("end-" + number + "\r\n");
    prompt();
    return said;
  }
  /// Types Ctrl-Z, and waits for the shell to say that its job has stopped.
  void stop_job() {
    type(kCtrlZ);
    expect("Stopped");
    prompt();
  }
  /// Types a key that ends the job, and checks what that ended with.
  void end_job(std::string_view key, int status) {
    type(key);
    prompt();
    expect_status(status);
  }
  /// Checks what the last line ended with.
  void expect_status(int status) {
    type("echo status=$?\n");
    expect("status=" + std::to_string(status) + "\r\n");
    prompt();
  }

 private:
  int answers_ = 0;
};

inline Shell bash(const Place& place) {
  return {place, {"bash", "--norc", "--noprofile", "-i"}};
}
inline Shell sh(const Place& place) {
  return {place, {"sh", "-i"}};
}

}  // namespace process_test
