// SPDX-License-Identifier: Apache-2.0
// The locking tools of a measurement, started as processes; what the sections that ran under them recorded, and what
// they take; and how a benchmark ends.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

using Nanoseconds = std::int64_t;
using Words = std::vector<std::string>;

constexpr Nanoseconds kSecond = 1'000'000'000;

inline Nanoseconds now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

inline void rest(Nanoseconds duration) {
  const timespec time{duration / kSecond, duration % kSecond};
  nanosleep(&time, nullptr);
}

[[noreturn]] inline void fail(const std::string& what) {
  throw std::runtime_error(what);
}

/// One locking tool at a lock of its own. `words` go before the command to run.
struct Tool {
  std::string name;
  Words words;
  Words environment;
  bool polls = false;  // it does not wait in the kernel, so that nobody can see it wait, and it takes long
};

inline std::vector<char*> pointers(const Words& words) {
  std::vector<char*> result;
  for (const auto& word : words) {
    result.push_back(const_cast<char*>(word.c_str()));
  }
  result.push_back(nullptr);
  return result;
}

/// The arguments of one start, made once so that a measured start costs no allocation.
class Start {
 public:
  Start(const Tool& tool, const Words& command)
      : tool_name_(tool.name), words_(tool.words), environment_(tool.environment) {
    words_.insert(words_.end(), command.begin(), command.end());
    arguments_ = pointers(words_);
    variables_ = pointers(environment_);
  }
  Start(const Start&) = delete;
  Start& operator=(const Start&) = delete;

  [[nodiscard]] pid_t operator()() const {
    pid_t pid = 0;
    const int error = posix_spawn(&pid, arguments_[0], nullptr, nullptr, arguments_.data(), variables_.data());
    if (error != 0) {
      fail(words_[0] + ": " + std::strerror(error));
    }
    return pid;
  }

  void expect_success(int status) const {
    if (status != 0) {
      fail(tool_name_ + " ended with wait status " + std::to_string(status));
    }
  }

 private:
  std::string tool_name_;
  Words words_;
  Words environment_;
  std::vector<char*> arguments_;
  std::vector<char*> variables_;
};

inline int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) {
      fail("waitpid");
    }
  }
  return status;
}

// ---- the records of bench/section.cpp

struct Section {
  Nanoseconds start, end;
};

class Log {
 public:
  explicit Log(std::string path) : path_(std::move(path)) { clear(); }
  void clear() const { std::ofstream(path_, std::ios::trunc); }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// In order of their starts. Two that overlap mean that the tool did not exclude: nothing else is worth measuring.
  [[nodiscard]] std::vector<Section> sections(const Tool& tool) const {
    std::ifstream file(path_, std::ios::binary);
    std::vector<Section> result;
    for (Section section{}; file.read(reinterpret_cast<char*>(&section), sizeof section);) {
      result.push_back(section);
    }
    std::sort(result.begin(), result.end(), [](auto& a, auto& b) { return a.start < b.start; });
    for (std::size_t i = 1; i < result.size(); ++i) {
      if (result[i].start < result[i - 1].end) {
        fail(tool.name + " ran two sections at the same time");
      }
    }
    return result;
  }

 private:
  std::string path_;
};

/// A holder that keeps the lock until it is told to let go.
class Holder {
 public:
  Holder(const Tool& tool, const std::string& section, const Log& log, const std::string& fifo)
      : start_(tool, {section, log.path(), fifo}), pid_(start_()) {
    const auto deadline = now() + 20 * kSecond;
    while ((gate_ = open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {  // ENXIO until the section reads
      if (now() > deadline) {
        fail(tool.name + " does not run its command");
      }
      rest(kSecond / 2000);
    }
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  void let_go() {
    close(gate_);
    start_.expect_success(wait_for(pid_));
  }

 private:
  Start start_;
  pid_t pid_;
  int gate_ = -1;
};

/// Returns when the kernel says that all of `pids` are blocked on a lock; for tools that poll, after a while.
inline void wait_until_queued(const Tool& tool, const std::set<pid_t>& pids) {
  if (tool.polls) {
    return rest(7 * kSecond / 10);
  }
  for (const auto deadline = now() + 10 * kSecond; now() < deadline; rest(kSecond / 500)) {
    std::ifstream locks("/proc/locks");
    std::set<pid_t> blocked;
    for (std::string line; std::getline(locks, line);) {
      std::istringstream fields(line);
      std::string number, arrow, kind, advice, mode;
      pid_t pid = 0;
      if (fields >> number >> arrow >> kind >> advice >> mode >> pid && arrow == "->" && pids.contains(pid)) {
        blocked.insert(pid);
      }
    }
    if (blocked.size() == pids.size()) {
      return;
    }
  }
  fail(tool.name + ": its waiters do not wait in the kernel");
}

/// KiB, of a process: resident, and not shared with any other.
struct Resident {
  long all = 0, own = 0;
};

inline Resident resident_of(pid_t pid) {
  Resident result;
  std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string line; std::getline(rollup, line);) {
    std::istringstream fields(line);
    std::string key;
    long value = 0;
    if (fields >> key >> value) {
      result.all += key == "Rss:" ? value : 0;
      result.own += key == "Private_Clean:" || key == "Private_Dirty:" ? value : 0;
    }
  }
  return result;
}

/// What main() comes to. What the tools say while they wait is not read; what the benchmark itself has to say goes to
/// stdout.
template <class Benchmark>
int to_exit_status(const Benchmark& benchmark) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(null, STDERR_FILENO);
  try {
    benchmark();
    return 0;
  } catch (const std::exception& error) {
    std::printf("bench: %s\n", error.what());
    std::fflush(stdout);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);  // nothing that was started stays; bench/run gave us a process group of our own
    return 1;
  }
}

}  // namespace bench
