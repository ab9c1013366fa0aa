// SPDX-License-Identifier: Apache-2.0
#include "core/process_table.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>
#include <unordered_map>

#include "core/unique_fd.hpp"

namespace lockgate {
namespace {

// In /proc/PID/stat, counted from the state, which is the first field behind the name.
constexpr std::size_t kParent = 1;
constexpr std::size_t kGroup = 2;
constexpr std::size_t kThreads = 17;
constexpr std::size_t kStart = 19;

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// Cuts the first word off `text`.
std::string_view take_word(std::string_view& text) {
  const auto begin = text.find_first_not_of(" \n");
  if (begin == std::string_view::npos) {
    text = {};
    return {};
  }
  const auto end = std::min(text.find_first_of(" \n", begin), text.size());
  const auto word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

std::optional<ProcessInfo> read_stat(int proc, const char* pid) {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "%s/stat", pid);
  const UniqueFd fd(::openat(proc, path.data(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) {
    return std::nullopt;
  }
  std::array<char, 2048> buffer;
  ssize_t size = -1;
  do {
    size = ::read(fd.get(), buffer.data(), buffer.size());
  } while (size < 0 && errno == EINTR);
  if (size <= 0) {
    return std::nullopt;
  }
  return parse_process_stat({buffer.data(), static_cast<std::size_t>(size)});
}

Dir open_proc() {
  return Dir(::opendir("/proc"));
}

}  // namespace

std::optional<ProcessInfo> parse_process_stat(std::string_view text) {
  // The name is whatever the process calls itself, parentheses and newlines included; nothing behind it has any.
  const auto open = text.find(" (");
  const auto close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2) {
    return std::nullopt;
  }
  std::array<std::string_view, kStart + 1> fields;
  auto rest = text.substr(close + 1);
  for (auto& field : fields) {
    field = take_word(rest);
  }
  const auto pid = number<pid_t>(text.substr(0, open));
  const auto ppid = number<pid_t>(fields[kParent]);
  const auto pgid = number<pid_t>(fields[kGroup]);
  const auto threads = number<long>(fields[kThreads]);
  const auto start = number<std::uint64_t>(fields[kStart]);
  if (!pid || !ppid || !pgid || !threads || !start || fields[0].size() != 1) {
    return std::nullopt;
  }
  return ProcessInfo{.pid = *pid,
                     .ppid = *ppid,
                     .pgid = *pgid,
                     .state = fields[0].front(),
                     .threads = *threads,
                     .start_ticks = *start,
                     .command = std::string(text.substr(open + 2, close - open - 2))};
}

std::optional<ProcessInfo> read_process(pid_t pid) {
  if (pid <= 0) {
    return std::nullopt;
  }
  return read_stat(AT_FDCWD, ("/proc/" + std::to_string(pid)).c_str());
}

std::vector<ProcessInfo> read_all_processes() {
  std::vector<ProcessInfo> all;
  const Dir dir = open_proc();
  if (!dir) {
    return all;
  }
  const int proc = ::dirfd(dir.get());
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') {
      continue;
    }
    if (auto process = read_stat(proc, entry->d_name)) {
      all.push_back(std::move(*process));
    }
  }
  return all;
}

std::vector<ProcessInfo> descendants_in(const std::vector<ProcessInfo>& all, pid_t root) {
  std::unordered_map<pid_t, std::vector<ProcessInfo>> children;
  std::unordered_map<pid_t, bool> seen;
  for (const auto& process : all) {
    seen[process.pid] = true;
  }
  for (const auto& process : all) {
    // The parent ended before the pass came to it: by now somebody else is the parent, perhaps we.
    if (process.ppid != 0 && process.ppid != root && seen.count(process.ppid) == 0) {
      if (auto again = read_process(process.pid); again && again->same_as(process)) {
        children[again->ppid].push_back(std::move(*again));
      }
      continue;
    }
    children[process.ppid].push_back(process);
  }
  std::vector<ProcessInfo> found;
  std::vector<pid_t> parents{root};
  for (std::size_t next = 0; next < parents.size(); ++next) {
    const auto of_parent = children.find(parents[next]);
    if (of_parent == children.end()) {
      continue;
    }
    const auto list = std::move(of_parent->second);
    children.erase(of_parent);  // also ends a circle, which a picture taken over some time can contain
    for (const auto& process : list) {
      parents.push_back(process.pid);
      if (process.alive() && process.pid != root) {
        found.push_back(process);
      }
    }
  }
  return found;
}

std::vector<ProcessInfo> descendants_of(pid_t root) {
  return descendants_in(read_all_processes(), root);
}

std::vector<pid_t> listed_children() {
  std::vector<pid_t> children;
  const Dir tasks(::opendir("/proc/self/task"));
  while (const dirent* task = tasks ? ::readdir(tasks.get()) : nullptr) {
    std::ifstream list(std::string("/proc/self/task/") + task->d_name + "/children");
    for (pid_t child = 0; list >> child;) {
      children.push_back(child);
    }
  }
  return children;
}

bool is_ancestor(pid_t candidate, pid_t of) {
  // Parents are older than their children, so a chain cannot be longer than there are numbers; a reused number
  // in the middle could make it go round.
  constexpr int kLongestChain = 1 << 16;
  pid_t pid = of;
  for (int steps = 0; steps < kLongestChain && pid > 0; ++steps) {
    const auto process = read_process(pid);
    if (!process) {
      return false;
    }
    if (process->ppid == candidate && candidate > 0) {
      return true;
    }
    pid = process->ppid;
  }
  return false;
}

std::optional<BootTime> start_time(pid_t pid) {
  const auto process = read_process(pid);
  const long per_second = ::sysconf(_SC_CLK_TCK);
  if (!process || per_second <= 0) {
    return std::nullopt;
  }
  const auto ticks = static_cast<std::uint64_t>(per_second);
  const auto seconds = static_cast<std::int64_t>(process->start_ticks / ticks);
  const auto part = static_cast<std::int64_t>(process->start_ticks % ticks * 1'000'000'000U / ticks);
  return BootTime(std::chrono::seconds(seconds) + std::chrono::nanoseconds(part));
}

}  // namespace lockgate
