// SPDX-License-Identifier: Apache-2.0
#include "core/tree_end.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <set>

#include "core/process_table.hpp"

using namespace std::chrono_literals;
using lockgate::BootTime;
using lockgate::Duration;
using lockgate::ProcessInfo;
using lockgate::TreeEnd;

namespace {

/// Processes that live in a map. They die of KILL, and of TERM unless they ignore it or are stopped.
class FakeTree : public lockgate::ProcessTree {
 public:
  ProcessInfo& add(pid_t pid, pid_t group) {
    living_[pid] = ProcessInfo{.pid = pid, .pgid = group, .state = 'S', .start_ticks = ++born_, .command = "fake"};
    return living_[pid];
  }
  void remove(pid_t pid) { living_.erase(pid); }
  void ignores_term(pid_t pid) { ignoring_.insert(pid); }
  void is_setuid(pid_t pid) { forbidden_.insert(pid); }
  /// As long as it runs, it starts a child in a group of its own whenever it is looked at.
  void is_fork_bomb(pid_t pid) { bombs_.insert(pid); }

  std::vector<ProcessInfo> survivors() override {
    explode();
    std::vector<ProcessInfo> all;
    all.reserve(living_.size());
    for (const auto& [pid, process] : living_) {
      all.push_back(process);
    }
    return all;
  }

  int signal(const ProcessInfo& process, int signal) override {
    const auto found = living_.find(process.pid);
    if (found == living_.end() || !found->second.same_as(process)) {
      return ESRCH;
    }
    if (forbidden_.count(process.pid) != 0) {
      return EPERM;
    }
    sent[process.pid].push_back(signal);
    deliver(found->second, signal);
    return 0;
  }

  int signal_group(pid_t group, int signal) override {
    groups_killed.insert(group);
    for (const auto& process : std::map(living_)) {
      if (process.second.pgid == group) {
        this->signal(process.second, signal);
      }
    }
    return 0;
  }

  std::map<pid_t, std::vector<int>> sent;
  std::set<pid_t> groups_killed;

 private:
  void deliver(ProcessInfo& process, int signal) {
    if (signal == SIGSTOP) {
      process.state = 'T';
    } else if (signal == SIGCONT) {
      process.state = 'S';
      deliver_pending(process.pid);
    } else if (process.state == 'T' && signal != SIGKILL) {
      pending_.insert(process.pid);
    } else if (signal == SIGKILL || ignoring_.count(process.pid) == 0) {
      remove(process.pid);
    }
  }
  void deliver_pending(pid_t pid) {
    if (pending_.erase(pid) != 0 && ignoring_.count(pid) == 0) {
      remove(pid);
    }
  }
  void explode() {
    for (const auto& process : std::map(living_)) {
      if (bombs_.count(process.first) != 0 && process.second.state != 'T') {
        const pid_t child = ++last_child_;
        add(child, child);
        bombs_.insert(child);
      }
    }
  }

  std::map<pid_t, ProcessInfo> living_;
  std::set<pid_t> ignoring_, forbidden_, bombs_, pending_;
  std::uint64_t born_ = 0;
  pid_t last_child_ = 1000;
};

const BootTime kStart{1000s};

/// Calls step() whenever it wants to be called; the moment at which it was finished, or empty if it is not by `until`.
std::optional<BootTime> run(TreeEnd& end, BootTime from, BootTime until) {
  for (auto now = from; now <= until;) {
    const auto next = end.step(now);
    if (!next) {
      return now;
    }
    now = *next;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("a tree that is already empty has ended") {
  FakeTree tree;
  TreeEnd end(tree, kStart, 4s, std::nullopt);
  CHECK_FALSE(end.step(kStart).has_value());
  CHECK(end.finished());
  CHECK_FALSE(end.killing());
}

TEST_CASE("those who obey TERM are sent nothing but TERM and CONT, and are gone at once") {
  FakeTree tree;
  tree.add(10, 10);
  tree.add(11, 10);
  TreeEnd end(tree, kStart, 4s, std::nullopt);
  const auto next = end.step(kStart);
  REQUIRE(next.has_value());
  CHECK(*next - kStart <= 20ms);
  CHECK_FALSE(end.step(*next).has_value());
  CHECK(end.finished());
  CHECK(tree.sent[10] == std::vector{SIGTERM});
  CHECK(tree.groups_killed.empty());
}

TEST_CASE("a stopped process is continued, so that it can obey TERM") {
  FakeTree tree;
  tree.add(10, 10).state = 'T';
  TreeEnd end(tree, kStart, 4s, std::nullopt);
  CHECK(run(end, kStart, kStart + 1s).has_value());
  CHECK(tree.sent[10] == std::vector{SIGTERM, SIGCONT});
}

TEST_CASE("who ignores TERM is killed after kill_after and not before") {
  FakeTree tree;
  tree.add(10, 10);
  tree.ignores_term(10);
  TreeEnd end(tree, kStart, 4s, std::nullopt);
  CHECK_FALSE(run(end, kStart, kStart + 3999ms).has_value());
  CHECK_FALSE(end.killing());
  const auto done = run(end, kStart + 4s, kStart + 5s);
  REQUIRE(done.has_value());
  CHECK(*done - kStart <= 4010ms);
  CHECK(end.killing());
}

TEST_CASE("a hard kill time comes before kill_after is over") {
  FakeTree tree;
  tree.add(10, 10);
  tree.ignores_term(10);
  TreeEnd end(tree, kStart, 4s, kStart + 1s);
  const auto done = run(end, kStart, kStart + 2s);
  REQUIRE(done.has_value());
  CHECK(*done - kStart >= 1s);
  CHECK(*done - kStart <= 1010ms);
}

TEST_CASE("where KILL is already due nobody is sent TERM") {
  FakeTree tree;
  tree.add(10, 10);
  TreeEnd end(tree, kStart, 4s, kStart - 1s);
  CHECK(run(end, kStart, kStart + 1s).has_value());
  CHECK(tree.sent[10] == std::vector{SIGKILL});
}

TEST_CASE("KILL can be moved forward, but not back") {
  FakeTree tree;
  tree.add(10, 10);
  tree.ignores_term(10);
  TreeEnd end(tree, kStart, 4s, std::nullopt);
  end.step(kStart);
  end.kill_no_later_than(kStart + 1s);
  end.kill_no_later_than(kStart + 9s);
  const auto done = run(end, kStart, kStart + 2s);
  REQUIRE(done.has_value());
  CHECK(*done - kStart >= 1s);
}

TEST_CASE("what a process starts to tidy up is left alone until KILL is due") {
  FakeTree tree;
  tree.add(10, 10);
  tree.ignores_term(10);
  TreeEnd end(tree, kStart, 4s, std::nullopt);
  end.step(kStart);
  tree.add(11, 10);
  run(end, kStart + 1s, kStart + 3s);
  CHECK(tree.sent[11].empty());
  CHECK(run(end, kStart + 4s, kStart + 5s).has_value());
  CHECK(tree.sent[11] == std::vector{SIGKILL});
}

TEST_CASE("a group is killed at one stroke") {
  FakeTree tree;
  tree.add(10, 10);
  tree.add(11, 11);
  TreeEnd end(tree, kStart, 0s, std::nullopt);
  CHECK(run(end, kStart, kStart + 1s).has_value());
  CHECK(tree.groups_killed == std::set<pid_t>{10, 11});
}

TEST_CASE("a fork bomb whose every child has a group of its own is brought to an end") {
  FakeTree tree;
  tree.add(10, 10);
  tree.is_fork_bomb(10);
  TreeEnd end(tree, kStart, 0s, std::nullopt);
  CHECK(run(end, kStart, kStart + 1s).has_value());
  CHECK(end.unreachable().empty());
}

TEST_CASE("who may not be signalled is named, after the others are dead, and does not block for ever") {
  FakeTree tree;
  tree.add(10, 10);
  tree.add(11, 11);
  tree.is_setuid(11);
  TreeEnd end(tree, kStart, 1s, std::nullopt);
  CHECK(run(end, kStart, kStart + 2s).has_value());
  REQUIRE(end.unreachable().size() == 1);
  CHECK(end.unreachable().front().pid == 11);
}

TEST_CASE("who may not be signalled is waited for until KILL is due, and is not named if it ends by itself") {
  FakeTree tree;
  tree.add(11, 11);
  tree.is_setuid(11);
  TreeEnd end(tree, kStart, 1s, std::nullopt);
  CHECK_FALSE(run(end, kStart, kStart + 900ms).has_value());
  tree.remove(11);
  CHECK(run(end, kStart + 950ms, kStart + 2s).has_value());
  CHECK(end.unreachable().empty());
}

TEST_CASE("a process that got the number of a dead one is not taken for it") {
  FakeTree tree;
  const auto old = tree.add(10, 10);
  const auto young = tree.add(10, 10);
  CHECK_FALSE(young.same_as(old));
  CHECK(tree.signal(old, SIGKILL) == ESRCH);
}

TEST_CASE("a process may call itself what it likes and is still read correctly") {
  const std::string numbers = " S 7 8 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 777 1 2 3\n";
  for (const std::string name : {"sh", "a b", "a) R 1 (b", "((", "))", "new\nline", ""}) {
    CAPTURE(name);
    const auto process = lockgate::parse_process_stat(std::string("42 (").append(name).append(")").append(numbers));
    REQUIRE(process.has_value());
    CHECK(process->pid == 42);
    CHECK(process->ppid == 7);
    CHECK(process->pgid == 8);
    CHECK(process->state == 'S');
    CHECK(process->threads == 3);
    CHECK(process->start_ticks == 777);
    CHECK(process->command == name);
  }
}

TEST_CASE("what is no line of /proc is not read as one") {
  for (const char* text :
       {"", "42", "42 (sh", "42 (sh)", "42 (sh) S", "x (sh) S 7 8 9 0 -1 0 1 2 3 4 5 6 7 8 20 0 3 0 777",
        "42 (sh) S 7 8 9 0 -1 0 1 2 3 4 5 6 7 8 20 0 3 0 x"}) {
    CAPTURE(text);
    CHECK_FALSE(lockgate::parse_process_stat(text).has_value());
  }
}

TEST_CASE("descendants are found at any depth, parents first, and without zombies, strangers or the root") {
  const auto process = [](pid_t pid, pid_t ppid, char state) {
    return ProcessInfo{.pid = pid, .ppid = ppid, .pgid = pid, .state = state, .command = {}};
  };
  // The numbers have wrapped around: 5 is the youngest.
  const std::vector all{process(1, 0, 'S'),   process(5, 300, 'S'),   process(100, 1, 'S'),
                        process(200, 1, 'S'), process(300, 100, 'S'), process(301, 100, 'Z')};
  const auto found = lockgate::descendants_in(all, 100);
  REQUIRE(found.size() == 2);
  CHECK(found[0].pid == 300);
  CHECK(found[1].pid == 5);
}
