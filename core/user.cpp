// SPDX-License-Identifier: Apache-2.0
#include "core/user.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <vector>

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

/// What a program prints; empty where it cannot be run.
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
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t size = 0; (size = read(out.get(), buffer.data(), buffer.size())) > 0 || (size < 0 && errno == EINTR);) {
    text.append(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  }
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
