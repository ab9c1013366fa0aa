// SPDX-License-Identifier: Apache-2.0
#include "core/user.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <vector>

#include "core/clock.hpp"
#include "core/unique_fd.hpp"

extern char** environ;

namespace lockgate {
namespace {

struct Entry {
  User user;
  uid_t uid = 0;
};

std::optional<Entry> parse(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ':') {
      fields.emplace_back();
    } else if (c != '\n') {
      fields.back() += c;
    }
  }
  constexpr std::size_t kFields = 7;
  if (fields.size() != kFields || fields[0].empty()) {
    return std::nullopt;
  }
  Entry entry{{fields[0], fields[5]}, 0};
  const char* end = fields[2].data() + fields[2].size();
  const auto [parsed, error] = std::from_chars(fields[2].data(), end, entry.uid);
  return error == std::errc{} && parsed == end ? std::optional(entry) : std::nullopt;
}

/// Everything up to the end of `out`; empty if that does not come in time.
std::string read_in_time(const UniqueFd& out) {
  constexpr std::chrono::seconds kPatience{2};
  const BootTime until = BootClock::now() + kPatience;
  std::string text;
  std::array<char, 4096> buffer{};
  while (true) {
    pollfd readable{out.get(), POLLIN, 0};
    const int ready = poll(&readable, 1, poll_timeout(until, BootClock::now()));
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    const ssize_t size = ready == 1 ? read(out.get(), buffer.data(), buffer.size()) : -1;
    if (size <= 0) {
      return size == 0 ? text : "";
    }
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

/// What a program prints; empty where it cannot be run, or does not come to an end: whoever waits for a lock has more
/// to do than to wait for a directory server.
std::string output_of(const char* program, const char* first, const char* second) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return "";
  }
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, in.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t settings;
  posix_spawnattr_init(&settings);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&settings, &none);
  posix_spawnattr_setflags(&settings, POSIX_SPAWN_SETSIGMASK);
  std::array<std::string, 3> words = {program, first, second};
  std::array<char*, 4> argv = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, program, &files, &settings, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&settings);
  in.reset();
  if (error != 0) {
    return "";
  }
  std::string text = read_in_time(out);
  kill(pid, SIGKILL);  // has ended, or is to
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return text;
}

}  // namespace

std::optional<User> parse_passwd_line(const std::string& line) {
  const auto entry = parse(line);
  return entry ? std::optional(entry->user) : std::nullopt;
}

std::optional<User> find_user(uid_t uid) {
  std::ifstream passwd("/etc/passwd");
  for (std::string line; std::getline(passwd, line);) {
    if (const auto entry = parse(line); entry && entry->uid == uid) {
      return entry->user;
    }
  }
  return parse_passwd_line(output_of("getent", "passwd", std::to_string(uid).c_str()));
}

}  // namespace lockgate
