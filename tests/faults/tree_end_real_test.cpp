// SPDX-License-Identifier: Apache-2.0
// The end of a tree, with real processes that do not want to go.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>

#include "core/process_table.hpp"
#include "core/tree_end.hpp"
#include "core/unique_fd.hpp"

using namespace std::chrono_literals;
using lockgate::BootClock;
using lockgate::DescendantTree;
using lockgate::Duration;
using lockgate::TreeEnd;
using lockgate::UniqueFd;

namespace {

/// Nothing here waits for longer than this; it is the difference between a failing test and one that hangs.
constexpr Duration kPatience = 20s;

[[noreturn]] void linger() {
  for (;;) {
    ::pause();
  }
}

/// Forks; the child runs `body` and then waits for a signal.
template <typename Body>
pid_t fork_and(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    // The test framework catches TERM; whoever is to ignore it says so after this.
    if (::signal(SIGTERM, SIG_DFL) == SIG_IGN) {
      ::signal(SIGTERM, SIG_IGN);
    }
    body();
    linger();
  }
  return pid;
}

/// A command in a group of its own, whose processes say who they are.
class Tree {
 public:
  /// `body` gets the function by which a process announces itself.
  explicit Tree(const std::function<void(const std::function<void()>&)>& body) {
    lockgate::become_subreaper();
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    announcements_.reset(ends[0]);
    UniqueFd writer(ends[1]);
    main_ = fork_and([&] {
      ::setpgid(0, 0);
      body([&] {
        const pid_t self = ::getpid();
        (void)!::write(writer.get(), &self, sizeof self);
      });
    });
  }
  ~Tree() { ::waitpid(main_, nullptr, WNOHANG); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  /// Waits until `count` processes have announced themselves.
  void wait_for(int count) {
    for (int i = 0; i < count; ++i) {
      pollfd wait{.fd = announcements_.get(), .events = POLLIN, .revents = 0};
      REQUIRE(::poll(&wait, 1, static_cast<int>(kPatience / 1ms)) == 1);
      pid_t pid = 0;
      REQUIRE(::read(announcements_.get(), &pid, sizeof pid) == sizeof pid);
      members_.emplace_back(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
      REQUIRE(members_.back());
    }
  }

  /// Runs a TreeEnd to its end; how long that took.
  Duration end(Duration kill_after) {
    DescendantTree tree(main_);
    const auto begin = BootClock::now();
    TreeEnd ending(tree, begin, kill_after, std::nullopt);
    while (const auto next = ending.step(BootClock::now())) {
      REQUIRE(BootClock::now() - begin < kPatience);
      ::poll(nullptr, 0, lockgate::poll_timeout(*next, BootClock::now()));
    }
    CHECK(ending.finished());
    CHECK(ending.unreachable().empty());
    return BootClock::now() - begin;
  }

  [[nodiscard]] int how_many_live() const {
    int count = 0;
    for (const auto& member : members_) {
      pollfd ended{.fd = member.get(), .events = POLLIN, .revents = 0};
      count += ::poll(&ended, 1, 0) == 0 ? 1 : 0;
    }
    return count + static_cast<int>(lockgate::descendants_of(::getpid()).size());
  }
  [[nodiscard]] pid_t main_pid() const { return main_; }

 private:
  UniqueFd announcements_;
  pid_t main_ = 0;
  std::vector<UniqueFd> members_;
};

void ignore_term() {
  ::signal(SIGTERM, SIG_IGN);
}

/// Forks `generations` of processes of which each starts the next and goes, in a session of its own if `session`.
/// All in all no more than kMost, so that a failing test does not take the machine along.
class Hopper {
 public:
  static constexpr int kMost = 100'000;
  enum class Group { same, new_session };

  explicit Hopper(Group group)
      : group_(group),
        started_(static_cast<std::atomic<int>*>(
            ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~Hopper() { ::munmap(started_, sizeof(std::atomic<int>)); }
  Hopper(const Hopper&) = delete;
  Hopper& operator=(const Hopper&) = delete;

  [[noreturn]] void run() const {
    while (started_->fetch_add(1) < kMost) {
      if (group_ == Group::new_session) {
        ::setsid();
      }
      if (::fork() > 0) {
        ::_exit(0);
      }
    }
    ::_exit(0);
  }
  void run_three(const std::function<void()>& announce) const {
    ignore_term();
    announce();
    for (int i = 0; i < 3; ++i) {
      if (::fork() == 0) {
        run();
      }
    }
  }
  [[nodiscard]] int started() const { return *started_; }

 private:
  Group group_;
  std::atomic<int>* started_;
};

}  // namespace

TEST_CASE("a child that obeys TERM is gone without KILL") {
  Tree tree([](const auto& announce) { announce(); });
  tree.wait_for(1);
  CHECK(tree.end(10s) < 5s);
  CHECK(tree.how_many_live() == 0);
}

TEST_CASE("a child that ignores TERM is killed") {
  Tree tree([](const auto& announce) {
    ignore_term();
    announce();
  });
  tree.wait_for(1);
  CHECK(tree.end(50ms) >= 50ms);
  CHECK(tree.how_many_live() == 0);
}

TEST_CASE("a process that forked twice into a session of its own is found and killed") {
  Tree tree([](const auto& announce) {
    ignore_term();
    const pid_t middle = ::fork();
    if (middle == 0) {
      ::setsid();
      fork_and([&] { announce(); });
      ::_exit(0);
    }
    ::waitpid(middle, nullptr, 0);
    announce();
  });
  tree.wait_for(2);
  tree.end(50ms);
  CHECK(tree.how_many_live() == 0);
}

TEST_CASE("a daemon is killed even when the command that started it has long ended") {
  Tree tree([](const auto& announce) {
    if (::fork() == 0) {
      ::setsid();
      fork_and([&] {
        ignore_term();
        announce();
      });
    }
    ::_exit(0);
  });
  tree.wait_for(1);
  REQUIRE(::waitpid(tree.main_pid(), nullptr, 0) == tree.main_pid());
  tree.end(50ms);
  CHECK(tree.how_many_live() == 0);
}

TEST_CASE("a stopped grandchild is ended, whether it obeys TERM or not") {
  for (const bool obedient : {true, false}) {
    CAPTURE(obedient);
    Tree tree([&](const auto& announce) {
      const pid_t grandchild = fork_and([&] {
        if (!obedient) {
          ignore_term();
        }
        announce();
        ::raise(SIGSTOP);
      });
      ::waitpid(grandchild, nullptr, WUNTRACED);
      announce();
    });
    tree.wait_for(2);
    tree.end(50ms);
    CHECK(tree.how_many_live() == 0);
  }
}

TEST_CASE("a process whose main thread has ended is not taken for dead") {
  Tree tree([](const auto& announce) {
    const pid_t child = ::fork();
    if (child == 0) {
      ignore_term();
      ::setsid();
      // A thread that stays behind, made as simply as can be: it shares everything and only waits.
      static char stack[1 << 16];
      static const auto wait = [](void*) -> int { linger(); };
      ::clone(wait, stack + sizeof stack,
              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, nullptr);
      announce();
      ::syscall(SYS_exit, 0);
    }
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED);
  });
  tree.wait_for(1);
  tree.end(50ms);
  CHECK(lockgate::descendants_of(::getpid()).empty());
}

TEST_CASE("a fork bomb in one group is killed before it has burnt out") {
  const Hopper hopper(Hopper::Group::same);
  Tree tree([&](const auto& announce) { hopper.run_three(announce); });
  tree.wait_for(1);
  tree.end(20ms);
  CHECK(tree.how_many_live() == 0);
  MESSAGE("processes started: " << hopper.started());
  CHECK(hopper.started() < Hopper::kMost);
}

TEST_CASE("a fork bomb that changes its session with every fork is gone in the end") {
  const Hopper hopper(Hopper::Group::new_session);
  Tree tree([&](const auto& announce) { hopper.run_three(announce); });
  tree.wait_for(1);
  const auto took = tree.end(20ms);
  CHECK(tree.how_many_live() == 0);
  MESSAGE("processes started: " << hopper.started() << ", ended in " << took / 1ms << " ms");
}

TEST_CASE("a process is no ancestor of itself, and init is everyone's") {
  CHECK_FALSE(lockgate::is_ancestor(::getpid(), ::getpid()));
  CHECK(lockgate::is_ancestor(::getppid(), ::getpid()));
  CHECK_FALSE(lockgate::is_ancestor(::getpid(), ::getppid()));
  CHECK_FALSE(lockgate::is_ancestor(0, ::getpid()));
}

TEST_CASE("the start of a process lies between the moments before and after its fork, to a tick") {
  const auto before = BootClock::now();
  const pid_t child = fork_and([] {});
  const auto after = BootClock::now();
  const auto start = lockgate::start_time(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  REQUIRE(start.has_value());
  CHECK(*start >= before - 10ms);
  CHECK(*start <= after + 10ms);
  CHECK_FALSE(lockgate::start_time(child).has_value());
}
