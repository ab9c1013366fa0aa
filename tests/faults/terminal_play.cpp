// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/terminal_play.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace {

// The command under lockgate is this program itself, for a shell may be late to run a trap. Which part it plays stands
// in its environment; a shell here starts it as $READER, $SLEEPER or $HANDLER.

void say(const std::string& text) {
  (void)!::write(STDOUT_FILENO, text.data(), text.size());
}

void catch_with(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(number, &action, nullptr);
}

/// Says how often it is interrupted, and ends with the first line that it reads.
[[noreturn]] void be_reader() {
  catch_with(SIGINT, [](int) {
    static int times = 0;
    say("INT-" + std::to_string(++times) + "\n");
  });
  say("started " + std::to_string(::getpid()) + " under " + std::to_string(::getppid()) + ".\n");
  std::string line(100, '\0');
  const ssize_t length = ::read(STDIN_FILENO, line.data(), line.size());
  say("line=" + line.substr(0, length > 0 ? static_cast<std::size_t>(length) : 0));
  ::_exit(0);
}

/// Does not look at the terminal, and dies of whatever comes.
[[noreturn]] void be_sleeper() {
  say("started " + std::to_string(::getpid()) + " under " + std::to_string(::getppid()) + ".\n");
  for (;;) {
    ::pause();
  }
}

/// Before doctest's main().
[[gnu::constructor]] void play_part() {
  const char* part = std::getenv("LOCKGATE_TEST_PART");
  if (part == nullptr) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    for (const std::string name : {"READER", "SLEEPER", "HANDLER"}) {
      ::setenv(name.c_str(), fmt::format("env LOCKGATE_TEST_PART={} {}", name, self).c_str(), 1);
    }
    return;
  }
  catch_with(SIGUSR1, [](int) { say("poked\n"); });
  if (std::string_view(part) == "READER") {
    be_reader();
  }
  if (std::string_view(part) == "HANDLER") {
    catch_with(SIGINT, [](int) { ::_exit(3); });
  }
  be_sleeper();
}

}  // namespace

namespace process_test {

pid_t number_before(Shell& shell, std::string_view end) {
  return static_cast<pid_t>(std::stol(shell.expect(end)));
}

Started wait_for_start(Shell& shell) {
  shell.expect("started ");
  const pid_t command = number_before(shell, " under ");
  return {command, lockgate_above(number_before(shell, "."))};
}

pid_t lockgate_above(pid_t parent) {
  const auto process = lockgate::read_process(parent);
  return process && process->command == "lockgate-guard" ? process->ppid : parent;
}

bool is_stopped(pid_t pid) {
  const auto process = lockgate::read_process(pid);
  return process && process->state == 'T';
}

bool is_gone(pid_t pid) {
  const auto process = lockgate::read_process(pid);
  return !process || !process->alive();
}

Started hold_in_background(Shell& shell) {
  shell.line("$X n -- $SLEEPER &");
  const Started holder = wait_for_start(shell);
  shell.answer("true");  // and the shell is there again
  return holder;
}

}  // namespace process_test
