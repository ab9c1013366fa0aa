// SPDX-License-Identifier: Apache-2.0
// The guardian, with real processes and a pretended lease: whoever is killed or stopped, and whenever, nothing of the
// command's tree is alive when the lease could be another's.
//
// LOCKGATE_GUARDIAN_ROUNDS: how many random rounds. LOCKGATE_TEST_SEED: the seed of all of them, printed on failure.
#include "core/guardian.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "core/process_table.hpp"
#include "tests/faults/guardian_play.hpp"

using namespace guardian_play;

TEST_CASE("the command's exit status passes through") {
  Play play({}, shell("exit 7"));
  const int status = play.wait_for(Kind::ended).value;
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
  play.wait_for(Kind::tree_gone);
  CHECK(play.wait_for_lockgate() == 0);
  CHECK(lockgate::descendants_of(::getpid()).empty());
}

TEST_CASE("the signal that ended the command passes through") {
  Play play({}, shell("kill -SEGV $$"));
  const int status = play.wait_for(Kind::ended).value;
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
}

TEST_CASE("that the command was stopped and continued passes through") {
  Play play({}, shell("kill -STOP $$; exec sleep 1000"));
  const pid_t command = play.wait_for(Kind::started).value;
  CHECK(play.wait_for(Kind::stopped).value == SIGSTOP);
  ::kill(-command, SIGCONT);
  play.wait_for(Kind::continued);
  ::kill(-command, SIGTERM);
  CHECK(WTERMSIG(play.wait_for(Kind::ended).value) == SIGTERM);
}

TEST_CASE("a program that is missing, or none, is reported with the errno of exec") {
  CHECK(Play({}, {"/no/such/program"}).wait_for(Kind::exec_failed).value == ENOENT);
  CHECK(Play({}, {"/etc"}).wait_for(Kind::exec_failed).value == EACCES);
}

TEST_CASE("a command is not started where the deadline is too near") {
  Lease lease;
  lease.ttl = lease.margin + lease.kill_after;
  CHECK(Play(lease, shell("exit 0")).wait_for(Kind::exec_failed).value == ETIME);
}

TEST_CASE("a command that ends by itself may leave a daemon behind") {
  Lease lease;
  lease.hold = Lease::Hold::for_command;
  Play play(lease, shell("setsid sh -c 'echo $$ >&9; exec sleep 1000' & exit 0"));
  play.wait_for_members(1);
  play.wait_for(Kind::ended);
  CHECK(play.wait_for_lockgate() == 0);
  CHECK(play.tree().size() == 1);
}

TEST_CASE("a lease that is renewed keeps the command alive for longer than one lease") {
  Lease lease;
  lease.ttl = 1s;
  lease.margin = 300ms;
  Play play(lease, shell(kTree));
  play.wait_for_members(kTreeMembers);
  play.watch_until(BootClock::now() + 2 * lease.ttl);
  CHECK_FALSE(play.last_death().has_value());
}

TEST_CASE("an end that is asked for ends the whole tree") {
  Play play({}, shell(kTree));
  play.wait_for_members(kTreeMembers);
  play.request_end();
  CHECK(play.wait_for(Kind::tree_gone).value == 0);
  CHECK(play.tree().empty());
}

TEST_CASE("an end that is asked for comes even if the guardian has been stopped") {
  Play play({}, shell(kTree));
  play.wait_for_members(kTreeMembers);
  ::kill(play.guardian(), SIGSTOP);
  play.request_end();
  CHECK(play.wait_for(Kind::tree_gone).value == 0);
  CHECK(play.tree().empty());
}

TEST_CASE("when lockgate is killed, the tree is ended long before the lease is over") {
  Play play({}, shell(kTree));
  play.wait_for_members(kTreeMembers);
  ::kill(play.lockgate(), SIGKILL);
  CHECK(play.wait_for_death() < play.lease_end() - 30s);
}

TEST_CASE("when lockgate's whole process group is killed, the tree is ended") {
  Play play({}, shell(kTree));
  play.wait_for_members(kTreeMembers);
  ::kill(-play.lockgate(), SIGKILL);
  CHECK(play.wait_for_death() < play.lease_end() - 30s);
}

TEST_CASE("when the guardian is killed, lockgate ends the tree") {
  Play play({}, shell(kTree));
  play.wait_for_members(kTreeMembers);
  ::kill(play.guardian(), SIGKILL);
  play.wait_for(Kind::guardian_died);
  CHECK(play.wait_for(Kind::tree_gone).value == 0);
  CHECK(play.tree().empty());
  CHECK(play.wait_for_lockgate() == 0);
}

TEST_CASE("when lockgate and the guardian fail together, the kernel still kills the command's own process") {
  Play play({}, shell("echo $$ >&9; exec sleep 1000"));
  play.wait_for_members(1);
  ::kill(play.lockgate(), SIGSTOP);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(play.lockgate()), &info, WSTOPPED) == 0);
  ::kill(play.guardian(), SIGKILL);
  CHECK(play.wait_for_death() < play.lease_end() - 30s);
}

TEST_CASE("when lockgate is stopped past its lease, the tree is dead before that, and lockgate learns of it") {
  Lease lease;
  lease.ttl = 1s;
  lease.margin = 500ms;
  Play play(lease, shell(kTree));
  play.wait_for_members(kTreeMembers);
  ::kill(play.lockgate(), SIGSTOP);
  CHECK(play.wait_for_death() < play.lease_end());
  play.watch_until(play.lease_end());
  ::kill(play.lockgate(), SIGCONT);
  play.wait_for(Kind::ending);
  play.wait_for(Kind::tree_gone);
  CHECK(play.wait_for_lockgate() == 0);
}

TEST_CASE("when the guardian is stopped and the lease is not renewed, lockgate keeps the deadline") {
  Lease lease;
  lease.ttl = 1s;
  lease.margin = 500ms;
  lease.network_lasts = 500ms;
  Play play(lease, shell(kTree));
  play.wait_for_members(kTreeMembers);
  ::kill(play.guardian(), SIGSTOP);
  const auto death = play.wait_for_death();
  CHECK(death < play.lease_end());
  play.wait_for(Kind::ending);
  play.wait_for(Kind::tree_gone);
}

namespace {

struct Result {
  enum class Verdict { none, good, bad } verdict = Verdict::none;
  Duration slowest{};  // how long after the deadline the last one was seen to die
  int victim = 0;
  bool stopped = false;
  BootTime begin{};
  BootTime end{};
  char text[300] = "";
};

/// One random round, in a process of its own.
class Round {
 public:
  Round(std::uint64_t seed, int number) : random_(seed * 1'000'003 + static_cast<std::uint64_t>(number)) {}

  Result run() {
    const auto begin = BootClock::now();
    lease_.ttl = milliseconds(700, 900);
    lease_.margin = 500ms + lease_.ttl / 50;  // as for real leases: what a busy machine may cost
    lease_.kill_after = milliseconds(30, 100);
    lease_.renew = milliseconds(20, 60);
    lease_.network_lasts = milliseconds(0, 500);
    Play play(lease_, shell(kTree));
    play.watch_until(begin + milliseconds(0, 400));
    const auto victim = harm(play);
    // A stop lasts for less or more than a lease; what is still stopped at the end dies with the play.
    auto continue_at = result_.stopped ? BootClock::now() + milliseconds(0, 1500) : BootTime::max();
    const auto over = [&] { return std::max(play.lease_end(), begin + lease_.network_lasts); };
    while (BootClock::now() < over()) {
      play.watch_until(std::min(over(), continue_at));
      if (BootClock::now() >= continue_at) {
        ::kill(victim, SIGCONT);
        continue_at = BootTime::max();
      }
    }
    judge(play);
    return result_;
  }

 private:
  enum Victim { lockgate_side, guardian, command, grandchild, other_grandchild, lockgate_group, kVictims };

  Duration milliseconds(int from, int to) {
    return std::chrono::milliseconds(std::uniform_int_distribution<int>(from, to)(random_));
  }

  pid_t choose(const Play& play) {
    result_.victim = std::uniform_int_distribution<int>(0, kVictims - 1)(random_);
    switch (result_.victim) {
      case guardian:
        return play.guardian();
      case command:
        return play.member(0);
      case grandchild:
        return play.member(1);
      case other_grandchild:
        return play.member(2);
      case lockgate_group:
        return -play.lockgate();
      default:
        return play.lockgate();
    }
  }

  pid_t harm(const Play& play) {
    pid_t victim = choose(play);
    if (victim == 0) {  // not there yet
      result_.victim = lockgate_side;
      victim = play.lockgate();
    }
    result_.stopped = std::uniform_int_distribution<int>(0, 1)(random_) == 1;
    ::kill(victim, result_.stopped ? SIGSTOP : SIGKILL);
    return victim;
  }

  void judge(const Play& play) {
    const auto end = play.lease_end();
    const auto left = play.tree();
    const auto last = play.last_death();
    const auto deadline = end - lease_.margin;
    result_.slowest = last && *last > deadline ? *last - deadline : 0ns;
    result_.verdict = left.empty() && last && *last <= end ? Result::Verdict::good : Result::Verdict::bad;
    std::snprintf(result_.text, sizeof result_.text,
                  "victim %d %s: %zu left (%s), last death %+.1f ms from the end of the lease; ttl %d kill_after %d",
                  result_.victim, result_.stopped ? "stopped" : "killed", left.size(),
                  left.empty() ? "" : left.front().command.c_str(),
                  last ? std::chrono::duration<double, std::milli>(*last - end).count() : 0.0,
                  static_cast<int>(lease_.ttl / 1ms), static_cast<int>(lease_.kill_after / 1ms));
  }

  std::mt19937_64 random_;
  Lease lease_;
  Result result_;
};

long from_environment(const char* name, long otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtol(text, nullptr, 10) : otherwise;
}

void run_in_child(std::uint64_t seed, int number, Result& result) {
  const BootTime begin = BootClock::now();
  try {
    result = Round(seed, number).run();
  } catch (const std::exception& error) {
    result.verdict = Result::Verdict::bad;
    std::snprintf(result.text, sizeof result.text, "%s", error.what());
  }
  result.begin = begin;
  result.end = BootClock::now();
  ::_exit(0);
}

/// Runs all rounds, some at a time: they mostly wait.
std::vector<Result> run_rounds(std::uint64_t seed, int count) {
  constexpr int kAtATime = 4;
  const auto size = sizeof(Result) * static_cast<std::size_t>(count);
  void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* results = static_cast<Result*>(page);
  int running = 0;
  for (int number = 0; number < count || running > 0;) {
    if (number < count && running < kAtATime) {
      if (::fork() == 0) {
        run_in_child(seed, number, *new (results + number) Result);
      }
      ++number;
      ++running;
    } else if (::waitpid(-1, nullptr, 0) > 0) {
      --running;
    }
  }
  std::vector<Result> copy(results, results + count);
  ::munmap(page, size);
  return copy;
}

/// The guarantee is for a machine that gives the processes the processor. This notes when it did not: a process that
/// wakes every few milliseconds, and remembers each time that it came late.
class StallWatch {
 public:
  StallWatch() : watcher_(::fork()) {
    if (watcher_ == 0) {
      watch();
    }
  }
  ~StallWatch() {
    ::kill(watcher_, SIGKILL);
    ::waitpid(watcher_, nullptr, 0);
  }
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  /// True if the machine stood still for long in between.
  [[nodiscard]] bool stalled(BootTime begin, BootTime end) const {
    return std::any_of(stalls_, stalls_ + kMost, [&](BootTime at) { return at >= begin && at <= end + kLong; });
  }

 private:
  static constexpr auto kLong = 150ms;
  static constexpr std::size_t kMost = 4096;

  [[noreturn]] void watch() const {
    std::size_t count = 0;
    for (BootTime last = BootClock::now();;) {
      ::poll(nullptr, 0, 5);
      const BootTime now = BootClock::now();
      if (now - last > kLong) {
        stalls_[count++ % kMost] = now;
      }
      last = now;
    }
  }

  BootTime* stalls_ = static_cast<BootTime*>(
      ::mmap(nullptr, kMost * sizeof(BootTime), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pid_t watcher_;
};

}  // namespace

TEST_CASE("whoever is killed or stopped, and whenever: nothing of the tree lives when the lease can be another's") {
  const auto seed =
      static_cast<std::uint64_t>(from_environment("LOCKGATE_TEST_SEED", std::random_device{}() & 0xffffff));
  const StallWatch machine;
  const auto results = run_rounds(seed, static_cast<int>(from_environment("LOCKGATE_GUARDIAN_ROUNDS", 200)));
  std::size_t without_processor = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    INFO("LOCKGATE_TEST_SEED=" << seed << ", round " << i << ": " << std::string(results[i].text));
    if (results[i].verdict != Result::Verdict::good && machine.stalled(results[i].begin, results[i].end)) {
      ++without_processor;
      MESSAGE("not counted, the machine stood still: " << std::string(results[i].text));
      continue;
    }
    CHECK(results[i].verdict == Result::Verdict::good);
  }
  CHECK(without_processor <= results.size() / 10);
  const auto slowest = std::max_element(results.begin(), results.end(),
                                        [](const Result& a, const Result& b) { return a.slowest < b.slowest; });
  REQUIRE(slowest != results.end());
  MESSAGE(results.size() << " rounds, seed " << seed << "; the slowest death was seen " << slowest->slowest / 1ms
                         << " ms after its deadline: " << std::string(slowest->text));
}
