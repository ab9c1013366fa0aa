// SPDX-License-Identifier: Apache-2.0
#include "core/tree_end.hpp"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <set>

#include "core/error.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {
namespace {

using namespace std::chrono_literals;

// How often to look whether anyone is left: often at first, for most commands end at once, then seldom enough that a
// look (some milliseconds on a busy machine) costs nothing.
constexpr Duration kFirstPause = 5ms;
constexpr Duration kLongestPause = 100ms;
constexpr Duration kFirstKillPause = 1ms;
constexpr Duration kLongestKillPause = 20ms;
// After so many passes whoever is left is stuck in the kernel with its KILL pending; nobody gains by haste.
constexpr int kHastyPasses = 200;

/// What waitid() says of the caller's children, without touching them.
enum class Children { none, all_alive, one_has_ended };

Children children_of_caller() {
  siginfo_t info{};
  if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    return Children::none;
  }
  return info.si_pid == 0 ? Children::all_alive : Children::one_has_ended;
}

bool has_ended(pid_t child) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

/// A child that was not waited for, so that its number is still its own, seen in /proc or not.
ProcessInfo child_of_caller(pid_t child) {
  return read_process(child).value_or(
      ProcessInfo{.pid = child, .ppid = ::getpid(), .pgid = ::getpgid(child), .command = {}});
}

std::set<pid_t> groups_with_outsiders(const std::vector<ProcessInfo>& all, const std::vector<ProcessInfo>& members) {
  std::set<pid_t> insiders;
  for (const auto& process : members) {
    insiders.insert(process.pid);
  }
  std::set<pid_t> groups;
  for (const auto& process : all) {
    if (process.alive() && insiders.count(process.pid) == 0) {
      groups.insert(process.pgid);
    }
  }
  return groups;
}

}  // namespace

void become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    throw Error(ExitCode::internal, "cannot become the reaper of orphans: " + errno_text(errno));
  }
}

bool nothing_is_left() {
  pid_t pid = 0;
  while ((pid = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
  }
  return pid < 0;
}

std::vector<ProcessInfo> DescendantTree::survivors() {
  const auto all = read_all_processes();
  reap(all);
  auto found = descendants_in(all, ::getpid());
  shared_groups_ = groups_with_outsiders(all, found);
  // A pass over /proc takes time, and one that forks and exits during it slips through, perhaps each time. The kernel
  // knows for sure whether there are children (a subreaper without live children has no live descendants), and who.
  constexpr int kLooks = 100;
  for (int looks = 0; looks < kLooks && found.empty() && children_of_caller() != Children::none; ++looks) {
    found = live_children();
  }
  if (found.empty() && main_child_ > 0 && !has_ended(main_child_)) {
    found.push_back(child_of_caller(main_child_));
  }
  return found;
}

/// The children alone, without a pass over /proc. Empty where the kernel does not list them.
std::vector<ProcessInfo> DescendantTree::live_children() const {
  std::vector<ProcessInfo> alive;
  for (const pid_t child : listed_children()) {
    if (!has_ended(child)) {
      alive.push_back(child_of_caller(child));
    } else if (child != main_child_) {
      ::waitpid(child, nullptr, WNOHANG);
    }
  }
  return alive;
}

void DescendantTree::reap(const std::vector<ProcessInfo>& all) const {
  // One by one: waitpid(-1) could take the status of the main child away from the owner.
  for (const auto& process : all) {
    if (process.ppid == ::getpid() && process.pid != main_child_ && !process.alive()) {
      ::waitpid(process.pid, nullptr, WNOHANG);
    }
  }
}

int DescendantTree::signal(const ProcessInfo& process, int signal) {
  // The descriptor names one process for good; once it is open, a look at the start time tells whether it is the
  // right one. (Not <sys/pidfd.h>: it is younger than the oldest glibc we build with.)
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0U)));
  if (!pidfd && errno == ESRCH) {
    return ESRCH;
  }
  const auto now = read_process(process.pid);
  if (now ? !now->same_as(process) : process.start_ticks != 0) {
    return ESRCH;
  }
  const auto result = pidfd ? ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0U)
                            : static_cast<long>(::kill(process.pid, signal));
  return result == 0 ? 0 : errno;
}

int DescendantTree::signal_group(pid_t group, int signal) {
  if (group <= 1 || group == ::getpgrp() || shared_groups_.count(group) != 0) {
    return EPERM;
  }
  return ::kill(-group, signal) == 0 ? 0 : errno;
}

TreeEnd::TreeEnd(ProcessTree& tree, BootTime now, Duration kill_after, std::optional<BootTime> kill_at)
    : tree_(tree), kill_at_(std::min(now + kill_after, kill_at.value_or(BootTime::max()))), pause_(kFirstPause) {
}

std::optional<BootTime> TreeEnd::step(BootTime now) {
  if (phase_ == Phase::finished) {
    return std::nullopt;
  }
  return now >= kill_at_ ? kill(now) : terminate(now);
}

void TreeEnd::kill_no_later_than(BootTime when) {
  kill_at_ = std::min(kill_at_, when);
}

std::optional<BootTime> TreeEnd::terminate(BootTime now) {
  const auto survivors = tree_.survivors();
  if (survivors.empty()) {
    phase_ = Phase::finished;
    return std::nullopt;
  }
  if (phase_ == Phase::fresh) {
    // Parents first: a shell whose child ends before it gets its own TERM would start the next line of its script.
    for (const auto& process : survivors) {
      tree_.signal(process, SIGTERM);
    }
    for (const auto& process : survivors) {
      tree_.signal(process, SIGCONT);
    }
    phase_ = Phase::terminating;
  } else {
    pause_ = std::min(pause_ * 2, kLongestPause);
  }
  return std::min(now + pause_, kill_at_);
}

std::optional<BootTime> TreeEnd::kill(BootTime now) {
  auto survivors = tree_.survivors();
  const auto is_refused = [this](const ProcessInfo& process) { return refused(process); };
  if (std::all_of(survivors.begin(), survivors.end(), is_refused)) {
    unreachable_ = std::move(survivors);
    phase_ = Phase::finished;
    return std::nullopt;
  }
  kill_everyone(std::move(survivors));
  const auto longest = killing_passes_ < kHastyPasses ? kLongestKillPause : kLongestPause;
  pause_ = killing_passes_ == 0 ? kFirstKillPause : std::min(pause_ * 2, longest);
  ++killing_passes_;
  return now + pause_;
}

void TreeEnd::kill_everyone(std::vector<ProcessInfo> survivors) {
  // In a group nothing can fork itself out of reach of one kill(-group).
  std::set<pid_t> groups;
  for (const auto& process : survivors) {
    groups.insert(process.pgid);
  }
  for (const pid_t group : groups) {
    tree_.signal_group(group, SIGKILL);
  }
  // Those who make groups of their own as they fork are stopped first, so that nobody is left to start others when
  // their turn comes. Not in the first pass: looking around costs time, and an ordinary tree is dead without it.
  const int stop_rounds = killing_passes_ == 0 ? 0 : 2;
  for (int round = 0; round < stop_rounds && !survivors.empty(); ++round) {
    for (const auto& process : survivors) {
      tree_.signal(process, SIGSTOP);
    }
    survivors = tree_.survivors();
  }
  unreachable_.clear();
  for (const auto& process : survivors) {
    if (tree_.signal(process, SIGKILL) == EPERM) {
      unreachable_.push_back(process);
    }
  }
}

bool TreeEnd::refused(const ProcessInfo& process) const {
  return std::any_of(unreachable_.begin(), unreachable_.end(),
                     [&](const ProcessInfo& other) { return other.same_as(process); });
}

}  // namespace lockgate
