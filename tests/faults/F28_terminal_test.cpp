// SPDX-License-Identifier: Apache-2.0
// lockgate exec on a terminal, under a shell with job control: what the keys do, and who is in the foreground.
#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "tests/faults/terminal_play.hpp"

using namespace process_test;

TEST_CASE("Ctrl-C reaches the command, once") {
  const Place place;
  Shell shell = bash(place);
  shell.line("$X n -- $READER");
  const Started job = wait_for_start(shell);
  shell.type(kCtrlC);
  shell.expect("INT-1");
  ::kill(job.lockgate, SIGUSR1);  // it would come to the command behind a second SIGINT
  shell.expect("poked");
  CHECK(shell.count("INT-") == 1);
  shell.type("hello\n");
  shell.expect("line=hello");
  shell.prompt();
  shell.expect_status(0);
}

TEST_CASE("lockgate ends as a command that Ctrl-C has killed, and the lock is free") {
  for (const auto open : {&bash, &sh}) {
    const Place place;
    Shell shell = (*open)(place);
    shell.line("$X n -- $SLEEPER");
    wait_for_start(shell);
    shell.end_job(kCtrlC, 128 + SIGINT);
    CHECK_FALSE(place.is_held("n"));
  }
}

TEST_CASE("Ctrl-C ends a script around lockgate, too") {
  for (const std::string interpreter : {"bash", "sh"}) {
    CAPTURE(interpreter);
    const Place place;
    (void)place.script("loop.sh", "for i in 1 2 3; do echo round-$i; $X n -- $SLEEPER; done; echo survived");
    Shell shell = bash(place);
    shell.line(interpreter + " loop.sh");
    wait_for_start(shell);
    shell.end_job(kCtrlC, 128 + SIGINT);
    CHECK(shell.count("round-") == 1);
    CHECK(shell.count("survived") == 0);
  }
}

TEST_CASE("a command that handles Ctrl-C has the last word, and a script around lockgate goes on") {
  const Place place;
  (void)place.script("around.sh", "$X n -- $HANDLER\necho \"it ended with $?\"");
  Shell shell = bash(place);
  shell.line("bash around.sh");
  wait_for_start(shell);
  shell.type(kCtrlC);
  shell.expect("it ended with 3");
  shell.prompt();
  shell.expect_status(0);
}

TEST_CASE("Ctrl-\\ ends the command and lockgate") {
  const Place place;
  Shell shell = bash(place);
  shell.line("$X n -- $SLEEPER");
  wait_for_start(shell);
  shell.end_job(kCtrlBackslash, 128 + SIGQUIT);
  CHECK_FALSE(place.is_held("n"));
}

TEST_CASE("Ctrl-C works while standard input is a pipe") {
  const Place place;
  Shell shell = bash(place);
  shell.line("echo piped | $X n -- $SLEEPER");
  wait_for_start(shell);
  shell.end_job(kCtrlC, 128 + SIGINT);
}

TEST_CASE("Ctrl-Z stops command and lockgate, the lock stays held, and fg gives the terminal back") {
  for (const auto open : {&bash, &sh}) {
    const Place place;
    Shell shell = (*open)(place);
    shell.line("$X n -- $READER");
    const Started job = wait_for_start(shell);
    shell.type(kCtrlZ);
    shell.prompt();
    CHECK(shell.answer("jobs").find("Stopped") != std::string::npos);
    CHECK(is_stopped(job.command));
    CHECK(is_stopped(job.lockgate));
    CHECK(place.is_held("n"));
    shell.line("fg");
    shell.type("hello\n");
    shell.expect("line=hello");
    shell.prompt();
    shell.expect_status(0);
    CHECK_FALSE(place.is_held("n"));
  }
}

TEST_CASE("Ctrl-Z works twice, and Ctrl-C after it") {
  const Place place;
  Shell shell = bash(place);
  shell.line("$X n -- $SLEEPER");
  const Started job = wait_for_start(shell);
  for (int times = 0; times < 2; ++times) {
    shell.stop_job();
    shell.line("fg");
    REQUIRE(comes_true([&] { return shell.foreground() == job.command; }));
    ::kill(job.lockgate, SIGUSR1);
    shell.expect("poked");
  }
  shell.end_job(kCtrlC, 128 + SIGINT);
}

TEST_CASE("bg lets a stopped command go on in the background, and fg brings it back") {
  const Place place;
  Shell shell = bash(place);
  shell.line("$X n -- $SLEEPER");
  const Started job = wait_for_start(shell);
  shell.stop_job();
  shell.answer("bg");
  ::kill(job.lockgate, SIGUSR1);
  shell.expect("poked");
  CHECK(shell.foreground() == shell.pid());
  shell.line("fg");
  REQUIRE(comes_true([&] { return shell.foreground() != shell.pid(); }));
  shell.end_job(kCtrlC, 128 + SIGINT);
}

TEST_CASE("Ctrl-C ends a script around lockgate also after bg and fg") {
  const Place place;
  (void)place.script("loop.sh", "for i in 1 2 3; do echo round-$i; $X n -- $SLEEPER; done; echo survived");
  Shell shell = bash(place);
  shell.line("bash loop.sh &");
  wait_for_start(shell);
  shell.line("fg");  // a shell does not tell a job that runs already
  REQUIRE(comes_true([&] { return shell.foreground() != shell.pid(); }));
  shell.end_job(kCtrlC, 128 + SIGINT);
  CHECK(shell.count("round-") == 1);
}

TEST_CASE("a command in the background that reads the terminal stops, the shell says so, and fg lets it go on") {
  for (const auto open : {&bash, &sh}) {
    const Place place;
    Shell shell = (*open)(place);
    shell.line("$X n -- $READER &");
    const Started job = wait_for_start(shell);
    REQUIRE(comes_true([&] { return is_stopped(job.lockgate); }));
    CHECK(is_stopped(job.command));
    // A shell hears of it a moment after the kernel shows it.
    REQUIRE(comes_true([&] { return shell.answer("jobs").find("Stopped") != std::string::npos; }));
    shell.line("fg");
    shell.type("hello\n");
    shell.expect("line=hello");
    shell.prompt();
    shell.expect_status(0);
  }
}

TEST_CASE("a command that runs in the background gets the terminal when it reads it after fg") {
  const Place place;
  Shell shell = bash(place);
  (void)place.script("late.sh", "mkfifo go\necho \"started $$ under $PPID.\"\nread -r line <go\nexec $READER");
  shell.line("$X n -- bash late.sh &");
  wait_for_start(shell);
  shell.line("fg");
  REQUIRE(comes_true([&] { return shell.foreground() != shell.pid(); }));
  CHECK(place.run("echo go >go") == 0);
  wait_for_start(shell);
  shell.type("hello\n");
  shell.expect("line=hello");
  shell.prompt();
  shell.expect_status(0);
}

TEST_CASE("a pager behind lockgate gets the keys") {
  const Place place;
  (void)place.script("source.sh", "mkfifo go end; echo data; read -r line <go; echo more; read -r line <end");
  (void)place.script("pager.sh", R"(
    read -r data; echo "shows-$data"
    stty -echo </dev/tty; read -r key </dev/tty; echo "key=$key"; echo go >go
    read -r data; echo "shows-$data"
    read -r key </dev/tty; stty echo </dev/tty; echo "key=$key"; echo go >end
  )");
  Shell shell = bash(place);
  shell.line("$X n -- bash source.sh | bash pager.sh");
  shell.expect("shows-data");
  shell.type("first\n");
  shell.expect("key=first");
  shell.expect("shows-more");
  shell.type("second\n");
  shell.expect("key=second");
  shell.prompt();
  shell.expect_status(0);
}

TEST_CASE("a pager behind lockgate keeps the foreground, so that its Ctrl-C works") {
  const Place place;
  (void)place.script("pager.sh", "trap 'echo interrupted; exit 0' INT; read -r d; echo \"$d\"; read -r key </dev/tty");
  Shell shell = bash(place);
  shell.line("$X n -- $SLEEPER | bash pager.sh");
  const Started job = wait_for_start(shell);
  REQUIRE(comes_true([&] { return shell.foreground() == job.lockgate; }));
  shell.type(kCtrlC);
  shell.expect("interrupted");
  shell.prompt();
}

TEST_CASE("the command has a process group of its own, in the foreground exactly if lockgate was") {
  const Place place;
  (void)place.script("groups.sh", "cut -d ' ' -f 5,8 /proc/$$/stat; echo pid=$$.");
  Shell shell = bash(place);
  const std::string own = std::to_string(shell.pid());

  shell.line("$X n -- bash groups.sh");
  const std::string before = shell.expect("pid=");
  const std::string pid = shell.expect(".");
  CHECK(before == pid + " " + pid + "\r\n");
  shell.prompt();

  shell.line("$X n -- bash groups.sh >groups & wait");
  shell.prompt();
  const std::string groups = place.read("groups");
  const std::string background = groups.substr(groups.find('=') + 1);
  CHECK(groups == background.substr(0, background.size() - 2) + " " + own + "\npid=" + background);
}

TEST_CASE("the terminal is the shell's again after the end, and as it was, also where COMMAND did not run") {
  const Place place;
  (void)place.script("no-program", "");
  Shell shell = bash(place);
  const std::string settings = shell.answer("stty -a");
  struct Ending {
    const char* line;
    int status;
  };
  for (const Ending& ending :
       {Ending{"$X n -- true", 0}, Ending{"$X n -- no-such-program", 127}, Ending{"$X n -- ./no-program", 126},
        Ending{"$X n -- bash -c 'kill -9 $$'", 137}, Ending{"$X n -- bash -c 'stty -echo -icanon; kill -9 $$'", 137},
        Ending{"$X n -- bash -c 'sleep 1000 & exit 5'", 5}}) {
    CAPTURE(ending.line);
    shell.line(ending.line);
    shell.prompt();
    CHECK(shell.foreground() == shell.pid());
    shell.expect_status(ending.status);
    CHECK(shell.answer("stty -a") == settings);
  }
}

TEST_CASE("when the terminal is closed, the command gets SIGHUP, and the lock is free") {
  for (const auto open : {&bash, &sh}) {
    const Place place;
    Shell shell = (*open)(place);
    shell.line("$X n -- $SLEEPER");
    const Started job = wait_for_start(shell);
    shell.hang_up();
    CHECK(comes_true([&] { return is_gone(job.command) && is_gone(job.lockgate); }));
    CHECK_FALSE(place.is_held("n"));
  }
}

TEST_CASE("under nohup the command outlives its terminal") {
  const Place place;
  Shell shell = bash(place);
  shell.line("nohup $X n -- $SLEEPER");
  REQUIRE(comes_true([&] { return place.read("nohup.out").find(".\n") != std::string::npos; }));
  const std::string said = place.read("nohup.out");
  const auto command = static_cast<pid_t>(std::stol(said.substr(said.find(' '))));
  shell.hang_up();
  CHECK(WIFSIGNALED(shell.wait()));
  CHECK_FALSE(is_gone(command));
  CHECK(place.is_held("n"));
}

TEST_CASE("where nobody could continue it, Ctrl-Z does not stop lockgate") {
  const Place place;
  Pty alone(place, {"sh", "-c", "exec $X n -- $READER"});
  alone.expect("started");
  alone.expect(".");
  alone.type(kCtrlZ);
  alone.expect("^Z");
  alone.type("hello\n");
  alone.expect("line=hello");
  const int status = alone.wait();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("Ctrl-C ends lockgate also where it leads the session") {
  const Place place;
  Pty alone(place, {"sh", "-c", "exec $X n -- $SLEEPER"});
  alone.expect("started");
  alone.expect(".");
  alone.type(kCtrlC);
  CHECK(WEXITSTATUS(alone.wait()) == 128 + SIGINT);
}

TEST_CASE("lockgate in lockgate: Ctrl-Z, fg, and Ctrl-C reach the command through both") {
  const Place place;
  Shell shell = bash(place);
  shell.line("$X outer -- $X inner -- $READER");
  const Started job = wait_for_start(shell);
  shell.stop_job();
  CHECK(is_stopped(job.command));
  CHECK(is_stopped(job.lockgate));
  shell.line("fg");
  shell.type("hello\n");
  shell.expect("line=hello");
  shell.prompt();
  shell.expect_status(0);

  shell.line("$X outer -- $X inner -- $SLEEPER");
  wait_for_start(shell);
  shell.end_job(kCtrlC, 128 + SIGINT);
  CHECK_FALSE(place.is_held("outer"));
  CHECK_FALSE(place.is_held("inner"));
}

TEST_CASE("Ctrl-C ends a script that runs lockgate in the background without job control") {
  const Place place;
  (void)place.script("around.sh", "$X n -- $SLEEPER & wait; echo survived");
  Shell shell = bash(place);
  shell.line("sh around.sh");
  wait_for_start(shell);
  shell.end_job(kCtrlC, 128 + SIGINT);
  CHECK(shell.count("survived") == 0);
  CHECK(place.is_held("n"));  // what a script starts in the background, Ctrl-C does not reach
}

TEST_CASE("a tree that is waited for stops with Ctrl-Z and ends with Ctrl-C after its command has ended") {
  const Place place;
  (void)place.script("leaves.sh", "echo \"command under $PPID.\"; set -m; $SLEEPER &");
  Shell shell = bash(place);
  shell.line("$X --wait-tree n -- bash leaves.sh");
  shell.expect("command under ");
  const pid_t lockgate = lockgate_above(number_before(shell, "."));
  const pid_t daemon = wait_for_start(shell).command;
  REQUIRE(comes_true([&] { return shell.foreground() == lockgate; }));
  shell.stop_job();
  CHECK(comes_true([&] { return is_stopped(daemon); }));
  CHECK(place.is_held("n"));
  shell.line("fg");
  REQUIRE(comes_true([&] { return !is_stopped(daemon); }));
  shell.type(kCtrlC);
  shell.prompt();
  CHECK(is_gone(daemon));
  CHECK_FALSE(place.is_held("n"));
}

TEST_CASE("Ctrl-Z warns that a lease runs out, and the command is ended before it does") {
  if (std::getenv("LOCKGATE_TEST_PLACE") == nullptr) {
    MESSAGE("skipped: a file's lock has no lease");
    return;
  }
  const Place place;
  Shell shell = bash(place);
  shell.line("$X --ttl 2s --kill-after 0.2 n -- $READER");
  const Started job = wait_for_start(shell);
  shell.type(kCtrlZ);
  shell.expect("cannot renew the lease of \"n\"");
  shell.expect("the command will be ended");
  shell.prompt();
  CHECK(comes_true([&] { return is_gone(job.command); }));
  CHECK(is_stopped(job.lockgate));
  CHECK(place.is_held("n"));
  shell.line("fg");
  shell.expect("lost lock \"n\": not renewed in time");
  shell.prompt();
  shell.expect_status(76);
  CHECK(shell.foreground() == shell.pid());
}
