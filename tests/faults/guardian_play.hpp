// SPDX-License-Identifier: Apache-2.0
// A stage for the guardian: a pretended lockgate in a process of its own, with a lease that exists only on paper, and
// a tree of processes that do not want to go.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/guardian.hpp"
#include "core/signals.hpp"
#include "core/terminal.hpp"
#include "core/tree_end.hpp"
#include "core/unique_fd.hpp"

namespace guardian_play {

using namespace std::chrono_literals;
using lockgate::BootClock;
using lockgate::BootTime;
using lockgate::Command;
using lockgate::Duration;
using lockgate::Guardian;
using lockgate::GuardianEvent;
using lockgate::ProcessInfo;
using lockgate::UniqueFd;
using Kind = GuardianEvent::Kind;

/// Nothing waits for longer than this; it is the difference between a failing test and one that hangs.
inline constexpr Duration kPatience = 20s;
inline constexpr int kAnnounce =
    9;  // the descriptor on which the members of the tree write their pids; sh knows one digit

/// A command with a child that ignores TERM and a daemon that forked twice into its own session.
inline constexpr const char* kTree = R"(
  echo $$ >&9
  sh -c 'trap "" TERM; echo $$ >&9; while :; do sleep 1000; done' &
  (setsid sh -c 'trap "" TERM; echo $$ >&9; exec sleep 1000' &)
  wait
  exec sleep 1000
)";
inline constexpr int kTreeMembers = 3;

struct Lease {
  Duration ttl = 60s;
  Duration margin = 1s;  // the deadline is this much before the end of the lease
  Duration kill_after = 100ms;
  Duration renew = 50ms;
  Duration network_lasts = 1h;  // after that, no renewal gets through
  enum class Hold { for_command, for_tree } hold = Hold::for_tree;
};

/// What the test and the pretended lockgate both see.
struct Shared {
  std::atomic<std::int64_t> renewal_sent{0};
  std::atomic<pid_t> guardian{0};
  std::atomic<bool> end_requested{false};
};

struct Told {
  GuardianEvent event;
  BootTime when;
};

/// lockgate, as far as the guardian is concerned: renews a lease that only exists on paper, until the tree is gone.
class PretendedLockgate {
 public:
  PretendedLockgate(const Lease& lease, Shared& shared, int events)
      : lease_(lease), shared_(shared), events_(events), network_ends_(BootClock::now() + lease.network_lasts) {
    ::setpgid(0, 0);
    lockgate::become_subreaper();
  }

  void run(const Command& command) {
    const auto terminal = lockgate::Terminal();
    renew();
    auto guardian = Guardian::start(command, signals_, terminal, deadline_, lease_.kill_after);
    shared_.guardian = guardian.pid();
    while (!over_) {
      const auto now = BootClock::now();
      if (now >= next_renewal_ && renew()) {
        guardian.move_deadline(deadline_);
      }
      if (shared_.end_requested.exchange(false)) {
        guardian.request_end(now, lease_.kill_after);
        ending_ = true;
      }
      guardian.enforce(BootClock::now());
      while (const auto event = guardian.next_event()) {
        tell(*event);
      }
      pollfd wait{.fd = guardian.fd(), .events = POLLIN, .revents = 0};
      if (!over_) {
        ::poll(&wait, 1, lockgate::poll_timeout(next_renewal_, BootClock::now()));
      }
    }
    if (ending_) {
      guardian.dismiss();
    } else {
      guardian.dismiss_soon();
    }
  }

 private:
  /// True if the lease is ours for longer. Once it may be another's, or the network is gone, it is not.
  bool renew() {
    const auto sent = BootClock::now();
    next_renewal_ = sent + lease_.renew;
    const bool expired = shared_.renewal_sent != 0 && sent >= deadline_ + lease_.margin;
    if (expired || sent >= network_ends_) {
      return shared_.renewal_sent == 0;
    }
    shared_.renewal_sent = sent.time_since_epoch().count();
    deadline_ = sent + lease_.ttl - lease_.margin;
    return true;
  }

  void tell(const GuardianEvent& event) {
    const Told told{event, BootClock::now()};
    (void)!::write(events_, &told, sizeof told);
    ending_ = ending_ || event.kind == Kind::ending || event.kind == Kind::guardian_died;
    // A command that ended by itself may leave others behind; a tree that is being ended is gone when all of it is.
    const bool may_let_go = event.kind == Kind::ended && !ending_ && lease_.hold == Lease::Hold::for_command;
    over_ = over_ || may_let_go || event.kind == Kind::tree_gone || event.kind == Kind::exec_failed;
  }

  Lease lease_;
  Shared& shared_;
  int events_;
  BootTime network_ends_;
  BootTime deadline_{};
  BootTime next_renewal_{};
  bool over_ = false;
  bool ending_ = false;
  lockgate::Signals signals_;
};

/// A pretended lockgate in a process of its own, seen from outside. The caller becomes a subreaper: whatever gets away
/// from lockgate and guardian is found among its descendants.
class Play {
 public:
  Play(const Lease& lease, std::vector<std::string> argv) : lease_(lease) {
    lockgate::become_subreaper();
    void* page = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared_ = new (page) Shared;
    UniqueFd events;
    UniqueFd announce;
    make_pipe(events_, events);
    make_pipe(announcements_, announce);
    lockgate_ = ::fork();
    if (lockgate_ == 0) {
      ::dup2(announce.get(), kAnnounce);  // open across exec
      try {
        PretendedLockgate(lease, *shared_, events.get()).run({std::move(argv), environment()});
        ::_exit(0);
      } catch (...) {
        ::_exit(1);
      }
    }
    lockgate_fd_ = open_pidfd(lockgate_);
  }
  ~Play() {
    for (auto left = lockgate::descendants_of(::getpid()); !left.empty(); left = lockgate::descendants_of(::getpid())) {
      for (const auto& process : left) {
        ::kill(process.pid, SIGKILL);
      }
      reap();
    }
    reap();
    ::munmap(shared_, sizeof(Shared));
  }
  Play(const Play&) = delete;
  Play& operator=(const Play&) = delete;

  /// Waits for the next event of that kind, passing over others.
  GuardianEvent wait_for(Kind kind) {
    Told told;
    do {
      told = next_told();
    } while (told.event.kind != kind);
    return told.event;
  }
  void wait_for_members(int count) {
    while (static_cast<int>(members_.size()) < count) {
      await(announcements_, "a member of the tree");
      read_announcements();
    }
  }
  /// Waits until all members that have announced themselves are dead; when the last of them was seen to die.
  BootTime wait_for_death() {
    auto last = BootTime::min();
    for (const auto& member : members_) {
      await(member.fd, "the death of a member");
      last = BootClock::now();
    }
    return last;
  }
  /// The status with which the pretended lockgate ended.
  int wait_for_lockgate() {
    await(lockgate_fd_, "the end of lockgate");
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(lockgate_), &info, WEXITED | WNOWAIT);
    return info.si_status;
  }

  /// What is alive of this play but lockgate and guardian.
  [[nodiscard]] std::vector<ProcessInfo> tree() const {
    auto all = lockgate::descendants_of(::getpid());
    const auto is_ours = [this](const ProcessInfo& process) {
      const pid_t guardian = shared_->guardian;
      return process.pid == lockgate_ || process.pid == guardian ||
             (guardian == 0 && process.command == "lockgate-guard");
    };
    all.erase(std::remove_if(all.begin(), all.end(), is_ours), all.end());
    return all;
  }
  /// The moment from which on the lease can be another's, if there are no more renewals.
  [[nodiscard]] BootTime lease_end() const { return BootTime(Duration(shared_->renewal_sent)) + lease_.ttl; }
  [[nodiscard]] pid_t lockgate() const { return lockgate_; }
  [[nodiscard]] pid_t guardian() const { return shared_->guardian; }
  [[nodiscard]] pid_t member(std::size_t index) const { return index < members_.size() ? members_[index].pid : 0; }
  void request_end() { shared_->end_requested = true; }

  /// Lets time pass until `when`, noting who announces itself and who dies.
  void watch_until(BootTime when) {
    for (auto now = BootClock::now(); now < when; now = BootClock::now()) {
      std::vector<pollfd> fds{{announcements_.get(), POLLIN, 0}};
      for (const auto& member : members_) {
        fds.push_back({member.died ? -1 : member.fd.get(), POLLIN, 0});
      }
      ::poll(fds.data(), fds.size(), lockgate::poll_timeout(when, now));
      note_deaths(fds);
      if (fds[0].revents != 0 && !read_announcements()) {
        announcements_.reset();
      }
    }
  }
  /// When the last of those who announced themselves was seen to die; empty if one has not.
  [[nodiscard]] std::optional<BootTime> last_death() const {
    BootTime last{};
    for (const auto& member : members_) {
      if (!member.died) {
        return std::nullopt;
      }
      last = std::max(last, *member.died);
    }
    return last;
  }

 private:
  struct Member {
    pid_t pid;
    UniqueFd fd;
    std::optional<BootTime> died;
  };

  static void make_pipe(UniqueFd& reader, UniqueFd& writer) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipe");
    }
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
  static UniqueFd open_pidfd(pid_t pid) { return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }
  static std::vector<std::string> environment() {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      all.emplace_back(*entry);
    }
    return all;
  }
  static void reap() {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
  static void await(const UniqueFd& fd, const char* what) {
    pollfd wait{.fd = fd.get(), .events = POLLIN, .revents = 0};
    if (fd && ::poll(&wait, 1, static_cast<int>(kPatience / 1ms)) != 1) {
      throw std::runtime_error(std::string("waited in vain for ") + what);
    }
  }
  Told next_told() {
    await(events_, "an event");
    Told told;
    if (::read(events_.get(), &told, sizeof told) != sizeof told) {
      throw std::runtime_error("lockgate ended before the event");
    }
    return told;
  }
  bool read_announcements() {
    char buffer[256];
    const auto size = ::read(announcements_.get(), buffer, sizeof buffer);
    for (ssize_t i = 0; i < size; ++i) {
      if (buffer[i] != '\n') {
        partial_ += buffer[i];
        continue;
      }
      const pid_t pid = std::stoi(partial_);
      partial_.clear();
      auto fd = open_pidfd(pid);
      const auto died = fd ? std::nullopt : std::optional(BootClock::now());
      members_.push_back({pid, std::move(fd), died});
    }
    return size > 0;
  }
  void note_deaths(const std::vector<pollfd>& fds) {
    const auto now = BootClock::now();
    for (std::size_t i = 1; i < fds.size(); ++i) {
      if (fds[i].revents != 0) {
        members_[i - 1].died = now;
      }
    }
  }

  Lease lease_;
  Shared* shared_ = nullptr;
  UniqueFd events_;
  UniqueFd announcements_;
  pid_t lockgate_ = 0;
  UniqueFd lockgate_fd_;
  std::string partial_;
  std::vector<Member> members_;
};

inline std::vector<std::string> shell(const char* script) {
  return {"/bin/sh", "-c", script};
}

}  // namespace guardian_play
