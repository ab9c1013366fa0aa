// SPDX-License-Identifier: Apache-2.0
// What the tests share that start processes: a folder of their own, the environment, and the end of all that was left.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/process_table.hpp"
#include "core/tree_end.hpp"
#include "core/unique_fd.hpp"

namespace process_test {

using namespace std::chrono_literals;
using lockgate::BootClock;
using lockgate::Duration;

/// Nothing waits for longer than this; it is the difference between a failing test and one that hangs.
inline constexpr Duration kPatience = 20s;

/// Waits for what can only be looked at, such as the state of a process. False where it does not come.
inline bool comes_true(const std::function<bool()>& condition) {
  const auto until = BootClock::now() + kPatience;
  while (!condition()) {
    if (BootClock::now() > until) {
      return false;
    }
    ::poll(nullptr, 0, 2);
  }
  return true;
}

/// A folder that is gone afterwards, with a home and scripts in it, and whatever this test started, which is ended
/// with it: as a subreaper the test finds all of that among its own descendants.
class Place {
 public:
  Place() {
    lockgate::become_subreaper();
    std::string name = (std::filesystem::temp_directory_path() / "lockgate-test.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("cannot make a folder: " + name);
    }
    folder_ = name;
    std::filesystem::create_directory(folder_ / "home");
    std::filesystem::create_directory(folder_ / "leases");
  }
  ~Place() {
    end_everything();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string locks() const { return path("locks"); }
  /// The option and its value that say where the locks are: this folder, or what LOCKGATE_TEST_PLACE says, for a
  /// lockgate of another kind.
  [[nodiscard]] std::vector<std::string> place_words() const {
    const char* other = std::getenv("LOCKGATE_TEST_PLACE");
    return other == nullptr ? std::vector<std::string>{"--dir", locks()} : std::vector<std::string>{"-b", other};
  }

  /// Writes a script; its path.
  [[nodiscard]] std::string script(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return path(name);
  }

  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(folder_ / name);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  /// For the child between fork and exec: this folder is its world. Nothing of an outer lockgate is left.
  void enter() const {
    for (const char* name :
         {"LOCKGATE_BACKEND", "LOCKGATE_CONFIG", "LOCKGATE_DIR", "LOCKGATE_HELD", "LOCKGATE_NAME", "LOCKGATE_HANDLE",
          "LOCKGATE_TIMEOUT", "LOCKGATE_TTL", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "ENV", "BASH_ENV"}) {
      ::unsetenv(name);
    }
    ::setenv("HOME", path("home").c_str(), 1);
    ::setenv("LEASES", path("leases").c_str(), 1);
    const std::string at = place_words()[0] + " " + place_words()[1];
    ::setenv("AT", at.c_str(), 1);
    // The words that a line for the shell begins with: `$X NAME -- COMMAND`.
    ::setenv("X", (std::string(lockgate()) + " exec " + at).c_str(), 1);
    if (::chdir(folder_.c_str()) != 0) {
      ::_exit(99);
    }
  }

  /// The program under test.
  static const char* lockgate() {
    const char* program = std::getenv("LOCKGATE");
    if (program == nullptr) {
      throw std::runtime_error("LOCKGATE is to be the path of lockgate");
    }
    return program;
  }

  /// Runs `line` with sh, without a terminal and out of the test's process group, to its end; its wait status.
  [[nodiscard]] int run(const std::string& line) const {
    (void)lockgate();  // before anything is forked that would miss it
    const pid_t pid = ::fork();
    if (pid == 0) {
      enter();
      ::setsid();
      reset_signals();
      ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      ::_exit(99);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
  }

  [[nodiscard]] bool is_held(const std::string& name) const { return run("\"$LOCKGATE\" status -q $AT " + name) == 0; }

  /// The lines of `status --json` that say that somebody waits for the lock.
  [[nodiscard]] bool has_waiter(const std::string& name) const {
    return run("\"$LOCKGATE\" status --json $AT " + name + " | grep -q '\"position\"'") == 0;
  }

  /// Ends all descendants of this process, which is a subreaper.
  static void end_everything() {
    for (auto left = lockgate::descendants_of(::getpid()); !left.empty(); left = lockgate::descendants_of(::getpid())) {
      for (const auto& process : left) {
        ::kill(process.pid, SIGKILL);
      }
      ::poll(nullptr, 0, 1);
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }

  /// As a program is started that nobody has told anything: the test framework catches some.
  static void reset_signals() {
    for (int number = 1; number < NSIG; ++number) {
      ::signal(number, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace process_test
