// SPDX-License-Identifier: Apache-2.0
// lockgate exec and acquire that wait for a lock on a terminal: what the keys do, and what is to be seen meanwhile.
#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "tests/faults/terminal_play.hpp"

using namespace process_test;

TEST_CASE("Ctrl-C while it waits ends the wait and leaves no waiter") {
  const Place place;
  Shell shell = bash(place);
  hold_in_background(shell);
  shell.line("$X n -- true");
  shell.expect("waiting for");
  shell.end_job(kCtrlC, 128 + SIGINT);
  CHECK_FALSE(place.has_waiter("n"));
}

TEST_CASE("a waiter that Ctrl-Z has stopped blocks nobody, and fg lets it wait on") {
  const Place place;
  Shell shell = bash(place);
  const Started first = hold_in_background(shell);
  shell.line("$X n -- echo 'got' it");
  shell.expect("waiting for");
  shell.stop_job();
  ::kill(first.lockgate, SIGTERM);
  REQUIRE(comes_true([&] { return is_gone(first.lockgate); }));
  CHECK(place.run("$X -w 10 n -- true") == 0);
  CHECK(place.run("$X -w 10 -s n -- true") == 0);
  const Started second = hold_in_background(shell);
  shell.line("fg %2");
  shell.expect("waiting for");
  ::kill(second.lockgate, SIGTERM);
  shell.expect("got it");
  shell.prompt();
  shell.expect_status(0);
}

TEST_CASE("a waiter that is stopped by its number does not take the script around it along") {
  const Place place;
  (void)place.script("around.sh", "$X n -- true & echo \"waiter is $!.\"; $SLEEPER");
  Shell shell = bash(place);
  const Started holder = hold_in_background(shell);
  shell.line("sh around.sh");
  shell.expect("waiter is ");
  const pid_t waiter = number_before(shell, ".");
  const Started other = wait_for_start(shell);
  REQUIRE(comes_true([&] { return place.has_waiter("n"); }));
  ::kill(waiter, SIGTSTP);
  REQUIRE(comes_true([&] { return is_stopped(waiter); }));
  ::kill(other.command, SIGUSR1);
  shell.expect("poked");
  ::kill(holder.lockgate, SIGTERM);
  CHECK(place.run("$X -w 10 n -- true") == 0);
  ::kill(waiter, SIGCONT);
  CHECK(comes_true([&] { return is_gone(waiter); }));
}

TEST_CASE("while it waits one live line says so, and is gone in the end") {
  const Place place;
  Shell shell = bash(place);
  const Started holder = hold_in_background(shell);
  shell.line("$X n -- echo 'got' it");
  shell.expect("\r\x1b[Klockgate: waiting for \"n\"");
  shell.expect("(env)");
  shell.expect("\r\x1b[Klockgate: waiting for \"n\"");
  ::kill(holder.lockgate, SIGTERM);
  const std::string rest_of_the_line = shell.expect("got it");
  CHECK(rest_of_the_line.find('\n') == std::string::npos);
  CHECK(rest_of_the_line.ends_with("\r\x1b[K"));
  shell.prompt();
  shell.expect_status(0);
}

TEST_CASE("when the terminal is closed, a stopped command and a waiting lockgate end, too") {
  const Place place;
  Shell shell = bash(place);
  shell.line("$X n -- $SLEEPER");
  const Started job = wait_for_start(shell);
  shell.stop_job();
  shell.line("$X n -- true");
  shell.expect("waiting for");
  shell.hang_up();
  CHECK(comes_true([&] { return is_gone(job.command) && is_gone(job.lockgate); }));
  CHECK(comes_true([&] { return !place.has_waiter("n"); }));
  CHECK_FALSE(place.is_held("n"));
}

TEST_CASE("under nohup also a waiting lockgate passes over SIGHUP") {
  const Place place;
  Shell shell = bash(place);
  const Started holder = hold_in_background(shell);
  shell.line("nohup $X n -- $SLEEPER 2>waiting &");
  shell.prompt();
  shell.line("echo \"pid is $!.\"");
  shell.expect("pid is ");
  const pid_t waiter = number_before(shell, ".");
  REQUIRE(comes_true([&] { return place.has_waiter("n"); }));
  ::kill(waiter, SIGHUP);
  REQUIRE(comes_true([&] { return place.read("waiting").find("waiting for") != std::string::npos; }));
  ::kill(holder.lockgate, SIGTERM);
  CHECK(comes_true([&] { return place.read("nohup.out").find("started") != std::string::npos; }));
}

TEST_CASE("where nobody could continue it, Ctrl-Z does not stop a waiting lockgate either") {
  const Place place;
  Shell shell = bash(place);
  const Started holder = hold_in_background(shell);
  Pty alone(place, {Place::lockgate(), "exec", "--dir", place.locks(), "n", "--", "sh", "-c", "exec $READER"});
  alone.expect("waiting for");
  alone.type(kCtrlZ);
  alone.expect("^Z");
  ::kill(holder.lockgate, SIGTERM);
  alone.expect("started");
  alone.type("hello\n");
  alone.expect("line=hello");
  CHECK(alone.wait() == 0);
}

TEST_CASE("the live line is cut to the width of the terminal") {
  const Place place;
  Shell shell = bash(place);
  const Started holder = hold_in_background(shell);
  shell.set_columns(30);
  shell.line("$X n -- echo 'got' it");
  shell.expect("\r\x1b[K");
  CHECK(shell.expect("\r\x1b[K") == "lockgate: waiting for \"n\" in ");
  ::kill(holder.lockgate, SIGTERM);
  shell.expect("got it");
}

TEST_CASE("who waits in the background says so on a line of its own, and draws nothing") {
  const Place place;
  Shell shell = bash(place);
  const Started holder = hold_in_background(shell);
  shell.line("$X n -- echo 'got' it &");
  shell.expect("lockgate: waiting for \"n\"");
  shell.expect("\n");
  ::kill(holder.lockgate, SIGTERM);
  shell.expect("got it");
  CHECK(shell.count("\x1b[K") == 0);
}

TEST_CASE("Ctrl-Z takes the live line away") {
  const Place place;
  Shell shell = bash(place);
  const Started holder = hold_in_background(shell);
  shell.line("$X n -- true");
  shell.expect("waiting for");
  shell.type(kCtrlZ);
  CHECK(shell.expect("Stopped").find("\r\x1b[K") != std::string::npos);
  shell.prompt();
  ::kill(holder.lockgate, SIGTERM);
  shell.line("fg %2");
  shell.prompt();
}

TEST_CASE("an acquire that Ctrl-Z has stopped takes no lock, and fg lets it wait on") {
  const Place place;
  Shell shell = bash(place);
  const Started holder = hold_in_background(shell);
  shell.line("$LOCKGATE acquire --dir " + place.locks() + " n >handle && echo 'had' it");
  shell.expect("waiting for");
  shell.stop_job();
  ::kill(holder.lockgate, SIGTERM);
  CHECK(place.run("$X -w 10 n -- true") == 0);
  CHECK(place.run("$X -w 10 n -- true") == 0);
  shell.line("fg %2");
  shell.prompt();
  shell.answer("$LOCKGATE release --dir " + place.locks() + " n $(cat handle) && echo 'released' it");
  INFO("seen:\n" << shell.seen());
  CHECK(shell.seen().find("released it") != std::string::npos);
}
