// SPDX-License-Identifier: Apache-2.0
// The supervisor with real /bin/sh children. Each run is in a process of its own, as it is in lockgate; job control is
// in faults/F28_terminal_test.cpp, how a tree is ended in faults/tree_end_real_test.cpp.
#include "core/supervisor.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>

#include "tests/process.hpp"

using namespace process_test;
using lockgate::Command;
using lockgate::Outcome;
using lockgate::SuperviseOptions;
using lockgate::Supervisor;
using lockgate::UniqueFd;
using lockgate::WaitFor;

namespace {

Command shell(const std::string& script) {
  return {{"/bin/sh", "-c", script}, {"PATH=/usr/bin:/bin"}};
}

/// Shows what the kernel says of its signals; a shell would set some of its own. Ends with 2, for want of a file.
Command grep(const std::string& pattern) {
  return {{"grep", "-hsE", pattern, "/proc/self/status", "/no/such/file"}, {}};
}

/// What a supervisor has to tell when it is done.
struct Report {
  int start_error = 0;
  int wait_status = 0;
  int exit_status = 0;
  Outcome::Cause cause = Outcome::Cause::ended;
  bool left_anything = false;
  Duration cpu_used{};
};

/// A supervised command in a process of its own. What the command writes to its
/// standard output or to descriptor 9 can be read here.
class Run {
 public:
  Run(
      const Command& command, const SuperviseOptions& options, void (*before)() = [] {}) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    said_.reset(ends[0]);
    const UniqueFd say(ends[1]);
    lockgate::become_subreaper();
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    report_.reset(ends[0]);
    const UniqueFd report(ends[1]);
    pid_ = ::fork();
    if (pid_ == 0) {
      Place::reset_signals();
      before();
      ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);  // where sh says "Terminated"
      ::dup2(say.get(), STDOUT_FILENO);
      ::dup2(say.get(), 9);
      supervise(command, options, report);
    }
  }
  ~Run() {
    ::kill(pid_, SIGKILL);
    Place::end_everything();
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  /// The next line that the command wrote.
  [[nodiscard]] std::string line() const {
    std::string text;
    for (char c = 0; c != '\n'; text += c) {
      wait_for(said_);
      REQUIRE(::read(said_.get(), &c, 1) == 1);
    }
    return text.substr(0, text.size() - 1);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// True once as many of the command's processes as `count` run the program `name`.
  [[nodiscard]] bool comes_to_run(const std::string& name, int count) const {
    return comes_true([&] {
      const auto all = lockgate::descendants_of(pid_);
      return std::count_if(all.begin(), all.end(), [&](const auto& process) { return process.command == name; }) ==
             count;
    });
  }
  [[nodiscard]] bool has_report() const {
    pollfd readable{.fd = report_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, 0) == 1;
  }
  [[nodiscard]] Report report() const {
    Report report;
    wait_for(report_);
    REQUIRE(::read(report_.get(), &report, sizeof report) == sizeof report);
    return report;
  }

 private:
  [[noreturn]] static void supervise(const Command& command, const SuperviseOptions& options, const UniqueFd& to) {
    Report report;
    const lockgate::Signals signals;
    Supervisor supervisor(signals, options);
    report.start_error = supervisor.start(command);
    if (report.start_error == 0) {
      const Outcome outcome = supervisor.run();
      report.wait_status = outcome.wait_status;
      report.exit_status = outcome.exit_status();
      report.cause = outcome.cause;
    }
    report.left_anything = !lockgate::descendants_of(::getpid()).empty();
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    report.cpu_used = std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                      std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    (void)!::write(to.get(), &report, sizeof report);
    ::_exit(0);
  }
  static void wait_for(const UniqueFd& fd) {
    pollfd readable{.fd = fd.get(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&readable, 1, static_cast<int>(kPatience / 1ms)) == 1);
  }

  UniqueFd said_;
  UniqueFd report_;
  pid_t pid_ = 0;
};

SuperviseOptions kill_after(Duration duration) {
  SuperviseOptions options;
  options.kill_after = duration;
  return options;
}

/// Waits until all that is left of the command is a `sleep` whose parent is the supervisor; its number.
pid_t orphan_of(const Run& run) {
  std::vector<lockgate::ProcessInfo> left;
  REQUIRE(comes_true([&] {
    left = lockgate::descendants_of(run.pid());
    return left.size() == 1 && left.front().command == "sleep" && left.front().ppid == run.pid();
  }));
  return left.front().pid;
}

/// Ends only when it is killed.
constexpr const char* kStubborn = "trap '' TERM INT; echo ready >&9; while :; do sleep 1000; done";

}  // namespace

TEST_CASE("the exit status is the command's own") {
  CHECK(Run(shell("exit 0"), {}).report().exit_status == 0);
  CHECK(Run(shell("exit 7"), {}).report().exit_status == 7);
  CHECK(Run(shell("exit 255"), {}).report().exit_status == 255);
}

TEST_CASE("a command that a signal ended gives 128 and the signal's number") {
  const Report report = Run(shell("kill -TERM $$"), {}).report();
  CHECK(WIFSIGNALED(report.wait_status));
  CHECK(report.exit_status == 128 + SIGTERM);
  CHECK(report.cause == Outcome::Cause::ended);
}

TEST_CASE("a program that is not there, or is none, is told by the error of exec") {
  CHECK(Run({{"no-such-program-anywhere"}, {}}, {}).report().start_error == ENOENT);
  CHECK(Run({{"/no/such/program"}, {}}, {}).report().start_error == ENOENT);
  CHECK(Run({{"/etc/passwd"}, {}}, {}).report().start_error == EACCES);
  CHECK(Run({{"/"}, {}}, {}).report().start_error == EACCES);
  CHECK(Run({{"/etc/passwd/program"}, {}}, {}).report().start_error == ENOTDIR);
  CHECK(Run({{"/bin/true", std::string(1U << 22, 'x')}, {}}, {}).report().start_error == E2BIG);
}

TEST_CASE("a command that could not be started leaves no child behind") {
  CHECK_FALSE(Run({{"/no/such/program"}, {}}, {}).report().left_anything);
}

TEST_CASE("a script without a first line runs with sh") {
  const Place place;
  const std::string script = place.script("script", "exit 4\n");
  REQUIRE(::chmod(script.c_str(), 0700) == 0);
  CHECK(Run({{script}, {}}, {}).report().exit_status == 4);
}

TEST_CASE("the command gets the environment that it is given, and nothing else") {
  Command command = shell("echo \"$ONE-$HOME\" >&9");
  command.environment = {"ONE=a b"};
  const Run run(command, {});
  CHECK(run.line() == "a b-");
  CHECK(run.report().exit_status == 0);
}

TEST_CASE("the command is the leader of a process group of its own") {
  const Run run(shell("cut -d ' ' -f 1,5 /proc/$$/stat >&9"), {});
  const std::string pid_and_group = run.line();
  const std::size_t space = pid_and_group.find(' ');
  CHECK(pid_and_group.substr(0, space) == pid_and_group.substr(space + 1));
  CHECK(pid_and_group.substr(0, space) != std::to_string(run.pid()));
}

TEST_CASE("each signal that is forwarded reaches the command and its children") {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
    CAPTURE(number);
    const std::string n = std::to_string(number);
    const Run run(shell(fmt::format("trap 'echo parent >&9; exit 5' {0}; "
                                    "sh -c 'trap \"echo child >&9; exit 0\" {0}; sleep 1000; exit 6'; exit 7",
                                    n)),
                  {});
    REQUIRE(run.comes_to_run("sleep", 1));
    ::kill(run.pid(), number);
    CHECK(run.line() == "child");
    CHECK(run.line() == "parent");
    CHECK(run.report().exit_status == 5);
  }
}

TEST_CASE("the command has the signals as they were: what was ignored is ignored, nothing is blocked") {
  const Run run(grep("Sig(Blk|Ign)"), {}, [] { ::signal(SIGHUP, SIG_IGN); });
  CHECK(run.line() == "SigBlk:\t0000000000000000");
  CHECK(run.line() == "SigIgn:\t0000000000000001");
}

TEST_CASE("signals that were blocked are blocked for the command, too") {
  const Run run(grep("SigBlk"), {}, [] {
    sigset_t usr1;
    ::sigemptyset(&usr1);
    ::sigaddset(&usr1, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &usr1, nullptr);
  });
  CHECK(run.line() == "SigBlk:\t0000000000000200");
}

TEST_CASE("an exit status is had although SIGCHLD was ignored, and the command has it ignored") {
  const Run run(grep("SigIgn"), {}, [] { ::signal(SIGCHLD, SIG_IGN); });
  CHECK(run.line() == "SigIgn:\t0000000000010000");
  CHECK(run.report().exit_status == 2);
}

TEST_CASE("a signal that was ignored is not forwarded") {
  // The command, a program that may catch it all the same, does so by way of env(1).
  Command command{{"env", "--default-signal=HUP", "sh", "-c", "echo ready >&9; sleep 1000"}, {"PATH=/usr/bin:/bin"}};
  const Run run(command, {}, [] { ::signal(SIGHUP, SIG_IGN); });
  CHECK(run.line() == "ready");
  ::kill(run.pid(), SIGHUP);
  ::kill(run.pid(), SIGTERM);  // would come second
  CHECK(run.report().exit_status == 128 + SIGTERM);
}

TEST_CASE("a second SIGINT ends a tree that does not want to go") {
  const Run run(shell(std::string("setsid -f sh -c \"") + kStubborn + "\"; trap 'echo interrupted >&9' INT; " +
                      "trap '' TERM; echo ready >&9; while :; do sleep 999; done"),
                kill_after(50ms));
  CHECK(run.line() == "ready");
  CHECK(run.line() == "ready");
  REQUIRE(run.comes_to_run("sleep", 2));
  ::kill(run.pid(), SIGINT);
  CHECK(run.line() == "interrupted");
  ::kill(run.pid(), SIGINT);
  const Report report = run.report();
  CHECK(report.cause == Outcome::Cause::interrupted_twice);
  CHECK(report.exit_status == 128 + SIGKILL);
  CHECK_FALSE(report.left_anything);
}

TEST_CASE("when max_hold is over the tree is ended, and not before") {
  SuperviseOptions options = kill_after(50ms);
  options.max_hold = 300ms;
  const auto begin = BootClock::now();
  const Report report =
      Run(shell(std::string("(setsid sh -c \"") + kStubborn + "\" &) ; " + kStubborn), options).report();
  CHECK(BootClock::now() - begin >= 350ms);
  CHECK(report.cause == Outcome::Cause::max_hold);
  CHECK_FALSE(report.left_anything);
}

TEST_CASE("a command that ends in time is not touched by max_hold") {
  SuperviseOptions options;
  options.max_hold = 1h;
  const Report report = Run(shell("exit 3"), options).report();
  CHECK(report.cause == Outcome::Cause::ended);
  CHECK(report.exit_status == 3);
}

TEST_CASE("a longest hold of a hundred years does not end at once") {
  SuperviseOptions options;
  options.max_hold = 100 * 365 * 24h;
  CHECK(Run(shell("exit 3"), options).report().exit_status == 3);
}

TEST_CASE("a command that was stopped is ended when max_hold is over") {
  SuperviseOptions options = kill_after(10s);
  options.max_hold = 100ms;
  const Report report = Run(shell("kill -STOP $$"), options).report();
  CHECK(report.cause == Outcome::Cause::max_hold);
  CHECK(report.exit_status == 128 + SIGTERM);
}

TEST_CASE("what the command leaves behind is not waited for") {
  const Run run(shell("sleep 1000 & setsid -f sleep 1000; exit 4"), {});
  const Report report = run.report();
  CHECK(report.exit_status == 4);
  CHECK(report.left_anything);
}

TEST_CASE("with WaitFor::tree everything that the command leaves behind is waited for") {
  SuperviseOptions options;
  options.wait_for = WaitFor::tree;
  const Run run(shell("setsid -f sleep 1000; exit 4"), options);
  const pid_t left = orphan_of(run);
  CHECK_FALSE(run.has_report());
  ::kill(left, SIGKILL);
  const Report report = run.report();
  CHECK(report.exit_status == 4);
  CHECK_FALSE(report.left_anything);
}

TEST_CASE("a tree that is waited for gets the signals after its command has ended") {
  SuperviseOptions options;
  options.wait_for = WaitFor::tree;
  const Run run(shell("setsid -f sleep 1000; exit 4"), options);
  (void)orphan_of(run);
  ::kill(run.pid(), SIGTERM);
  CHECK(run.report().exit_status == 4);
}

TEST_CASE("a signal that comes together with the command's end goes to what is left, not to the dead") {
  SuperviseOptions options;
  options.wait_for = WaitFor::tree;
  const Run run(shell("setsid -f sleep 1000; echo ready >&9; while :; do :; done"), options);
  CHECK(run.line() == "ready");
  const auto find = [&](const std::string& name) {
    for (const auto& process : lockgate::descendants_of(run.pid())) {
      if (process.command == name) {
        return process.pid;
      }
    }
    return 0;
  };
  REQUIRE(comes_true([&] { return find("sleep") != 0; }));
  ::kill(run.pid(), SIGSTOP);
  ::kill(find("sh"), SIGKILL);
  REQUIRE(comes_true([&] { return find("sh") == 0; }));
  ::kill(run.pid(), SIGTERM);
  ::kill(run.pid(), SIGCONT);
  CHECK(run.report().exit_status == 128 + SIGKILL);
}

TEST_CASE("max_hold also ends what is left of a tree that is waited for") {
  SuperviseOptions options = kill_after(50ms);
  options.wait_for = WaitFor::tree;
  options.max_hold = 300ms;
  const Report report = Run(shell(std::string("(setsid sh -c \"") + kStubborn + "\" &) ; exit 4"), options).report();
  CHECK(report.cause == Outcome::Cause::max_hold);
  CHECK_FALSE(report.left_anything);
}

TEST_CASE("orphans of the tree are reaped while the command runs") {
  const Run run(shell("for i in 1 2 3 4 5; do (true &) ; done; echo done >&9; sleep 1000"), {});
  CHECK(run.line() == "done");
  CHECK(comes_true([&] {
    for (const auto& process : lockgate::read_all_processes()) {
      if (process.ppid == run.pid() && process.state == 'Z') {
        return false;
      }
    }
    return true;
  }));
}

TEST_CASE("watching over a command costs no time of the processor, for as long as it runs") {
  const Report report = Run(shell("sleep 6"), {}).report();
  CHECK(report.exit_status == 0);
  CHECK(report.cpu_used < 500ms);
}

TEST_CASE("the hold is looked after every few seconds") {
  SuperviseOptions options;
  options.look_after_hold = [] { (void)!::write(9, "looked\n", 7); };
  const Run run(shell("sleep 1000"), options);
  CHECK(run.line() == "looked");
}
