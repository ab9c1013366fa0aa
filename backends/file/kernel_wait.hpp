// SPDX-License-Identifier: Apache-2.0
// Waiting in flock(2), in the kernel's own queue, with everything else that a wait needs on a thread beside it.
#pragma once

#include <pthread.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "core/unique_fd.hpp"
#include "core/waiting.hpp"

namespace lockgate::file {

/// Why it has a thread: a process that sleeps in flock(2) loses its place in the queue by every signal that it
/// handles. So the thread that waits blocks all signals, and an attendant thread listens to `Waiting`. Only when the
/// wait is over does the attendant interrupt the waiting thread, by a signal of its own.
///
/// Made and used by one thread, which must have all signals blocked.
class KernelWait {
 public:
  /// All are called on the attendant's thread and must not throw.
  struct Hooks {
    /// Once, when the wait has lasted `kAnnounceAfter`.
    std::function<void()> announce;
    /// After the wait, if it was announced.
    std::function<void()> farewell;
    /// Before the process stops: let go of what others queue behind.
    std::function<void()> before_suspend;
  };
  static constexpr std::chrono::milliseconds kAnnounceAfter{100};

  KernelWait(Waiting& waiting, Hooks hooks);
  /// Ends the attendant and waits for it.
  ~KernelWait();
  KernelWait(const KernelWait&) = delete;
  KernelWait& operator=(const KernelWait&) = delete;

  /// flock(fd, operation), waiting until it is granted (0), or the wait is over (EINTR), or it fails (its errno). A
  /// lock granted at the last moment is granted. EINTR may also come for no reason: look at verdict().
  int lock(int fd, int operation);

  /// Any system call that blocks and says 0 or an errno value; EINTR also once `until` has passed.
  int block(const std::function<int()>& call, std::optional<BootTime> until);

  /// What the attendant heard last; anything but go_on is the end of the wait.
  [[nodiscard]] WaitVerdict verdict() const { return verdict_; }

  /// The wait is over: `waiting` is not touched again after this. What else the attendant has to do, it does on its
  /// own.
  void finish();

 private:
  void attend();
  void attend_once(BootTime announce_at);
  void interrupt();
  [[nodiscard]] std::optional<BootTime> next_wake(BootTime announce_at);

  std::mutex mutex_;  // guards the use of waiting_ against finish(), after which it may be gone
  Waiting& waiting_;
  int waiting_fd_ = -1;
  Hooks hooks_;
  pthread_t waiter_;
  UniqueFd control_;  // eventfd: the attendant is to look at what follows
  std::atomic<bool> finished_{false};
  std::atomic<bool> blocked_{false};    // the waiter is in lock()
  std::atomic<bool> interrupt_{false};  // and is to come out
  std::atomic<BootTime::rep> until_{kNever};
  std::atomic<WaitVerdict> verdict_{WaitVerdict::go_on};
  bool announced_ = false;  // set by the attendant, under the mutex
  static constexpr BootTime::rep kNever = BootTime::max().time_since_epoch().count();
  std::jthread attendant_;  // last: it uses all of the above
};

}  // namespace lockgate::file
