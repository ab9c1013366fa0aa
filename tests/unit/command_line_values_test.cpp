// SPDX-License-Identifier: Apache-2.0
// What the values of options may be, and which of them go together at which command.
#include <doctest/doctest.h>

#include "tests/unit/command_line_play.hpp"

using namespace lockgate;
using namespace lockgate::typed;
using namespace std::chrono_literals;

// ---- values

TEST_CASE("a timeout is a duration or none") {
  CHECK(exec_flags({"-w", "1m30s"}).timeout == Timeout{90s});
  CHECK(exec_flags({"-w", "none"}).timeout == Timeout{});
  CHECK(exec_flags({"-w", "0"}).timeout == Timeout{0s});
  check_mentions(refusal_of({"exec", "-w", "soon", "deploy", "make"}),
                 {"--timeout: \"soon\" is neither a duration nor \"none\"", "1m30s"});
  check_mentions(refusal_of({"exec", "-w", "-5", "deploy", "make"}), {"--timeout: \"-5\""});
  check_mentions(refusal_of({"exec", "deploy", "-w", "--", "make"}), {"--timeout: \"--\""});
  check_mentions(refusal_of({"exec", "-w=5", "deploy", "make"}), {"--timeout: \"=5\""});
}

TEST_CASE("not to wait and how long to wait exclude each other") {
  CHECK(exec_flags({"-n"}).timeout == Timeout{0s});
  CHECK(exec_flags({"-n", "-w", "0"}).timeout == Timeout{0s});
  check_mentions(refusal_of({"exec", "-nw5", "deploy", "make"}), {"--nonblock", "--timeout"});
  check_mentions(refusal_of({"acquire", "-n", "-w", "none", "deploy"}), {"--nonblock", "--timeout"});
}

TEST_CASE("a lease length is 2s to 1h") {
  CHECK(exec_flags({"--ttl", "2s"}).ttl == 2s);
  CHECK(exec_flags({"--ttl", "1h"}).ttl == 1h);
  check_mentions(refusal_of({"exec", "--ttl", "1999ms", "deploy", "make"}), {"--ttl: \"1999ms\"", "between 2s and 1h"});
  check_mentions(refusal_of({"exec", "--ttl", "61m", "deploy", "make"}), {"between 2s and 1h"});
  check_mentions(refusal_of({"exec", "--ttl", "none", "deploy", "make"}), {"is no duration"});
}

TEST_CASE("the conflict exit status is 0 to 255") {
  CHECK(exec_flags({"-E", "0"}).conflict_exit_code == 0);
  CHECK(exec_flags({"-E255"}).conflict_exit_code == 255);
  for (const char* text : {"256", "-1", "", "7x", "0x10", "+5", "99999999999"}) {
    check_mentions(refusal_of({"exec", "-E", text, "deploy", "make"}), {"--conflict-exit-code: ", "from 0 to 255"});
  }
}

TEST_CASE("a value has at most 65536 bytes") {
  CHECK(exec_flags({"--value", std::string(65536, 'x')}).value->size() == 65536);
  const std::string refusal = refusal_of({"exec", "--value", std::string(65537, 'x'), "deploy", "make"});
  check_mentions(refusal, {"--value: ", "has 65537 bytes", "at most 65536"});
  CHECK(refusal.size() < 300);
}

TEST_CASE("a value is UTF-8, and may have lines") {
  CHECK(exec_flags({"--value", "händisch\n\tzwei\x7f\xc2\x85Zeilen"}).value.has_value());
  check_mentions(refusal_of({"exec", "--value", "a\n\xff", "deploy", "make"}), {"no valid UTF-8 at byte 2"});
  check_mentions(refusal_of({"set", "deploy", "a\xc2"}), {"the value", "no valid UTF-8 at byte 1"});
}

TEST_CASE("a reason is one line of text") {
  CHECK(exec_flags({"--reason", "rollout 4.2 — händisch"}).reason == "rollout 4.2 — händisch");
  CHECK(exec_flags({"--reason", std::string(1024, 'x')}).reason->size() == 1024);
  check_mentions(refusal_of({"exec", "--reason", std::string(1025, 'x'), "deploy", "make"}), {"at most 1024"});
  check_mentions(refusal_of({"exec", "--reason", "a\nb", "deploy", "make"}), {"--reason: \"a", "byte 1", "UTF-8"});
  check_mentions(refusal_of({"exec", "--reason", "a\xff", "deploy", "make"}), {"byte 1", "UTF-8"});
}

TEST_CASE("an id is one line of text, and not empty") {
  CHECK(exec_flags({"--id", "runner-7"}).id == "runner-7");
  check_mentions(refusal_of({"exec", "--id=", "deploy", "make"}), {"--id: \"\" is empty"});
}

TEST_CASE("a word from a list is one of that list") {
  CHECK(exec_flags({"--color", "always"}).color == "always");
  CHECK(exec_flags({"--on-lost=continue"}).on_lost == "continue");
  check_mentions(refusal_of({"status", "--color", "red"}), {"--color: \"red\" is none of auto, always, never"});
  check_mentions(refusal_of({"acquire", "--on-lost", "panic", "x"}), {"\"panic\" is neither terminate nor continue"});
}

TEST_CASE("durations of the hold and of the end are checked") {
  CHECK(exec_flags({"--kill-after", "0"}).kill_after == 0s);
  CHECK(exec_flags({"--max-hold", "2h"}).max_hold == 2h);
  check_mentions(refusal_of({"exec", "--max-hold", "0", "deploy", "make"}), {"--max-hold: \"0\"", "longer than 0"});
  check_mentions(refusal_of({"exec", "--kill-after", "x", "deploy", "make"}), {"--kill-after: \"x\" is no duration"});
}

TEST_CASE("the owner is the number of a process") {
  CHECK(flags_of({"acquire", "--owner-pid", "42", "deploy"}).owner_pid == 42);
  for (const char* text : {"0", "-1", "self", "1.5", "99999999999"}) {
    check_mentions(refusal_of({"acquire", "--owner-pid", text, "deploy"}), {"--owner-pid: ", "number of a process"});
  }
}

TEST_CASE("each switch sets its own flag") {
  const Flags exec = exec_flags({"--publish-command", "--path", "-o", "--reentrant", "--wait-tree"});
  CHECK((exec.publish_command && exec.path && exec.close && exec.reentrant && exec.wait_tree));
  CHECK(flags_of({"release", "--mine", "deploy"}).mine);
  const Flags release = flags_of({"release", "--force", "--yes", "deploy"});
  CHECK((release.force && release.yes && !release.mine));
  CHECK(flags_of({"status", "--watch"}).watch);
  CHECK(flags_of({"doctor", "--json"}).json);
}

// ---- rules of single commands

TEST_CASE("renew takes a name and a handle") {
  const CommandLine line = parse({"renew", "deploy", "h-1"});
  CHECK(line.names == Words{"deploy"});
  CHECK(line.flags.handle == "h-1");
  CHECK((!line.flags.keep && flags_of({"renew", "--keep", "deploy", "h-1"}).keep));
  CHECK(refusal_of({"renew"}) == "no lock name");
  CHECK(refusal_of({"renew", "deploy"}) == "no handle: lockgate renew \"deploy\" HANDLE");
  check_mentions(refusal_of({"renew", "deploy", "h-1", "h-2"}), {"\"h-2\" is one word too many"});
}

TEST_CASE("get takes one name, and set a name and a value") {
  CHECK(parse({"get", "deploy", "--json"}).flags.json);
  check_mentions(refusal_of({"get", "a", "b"}), {"get takes one NAME"});
  const CommandLine line = parse({"set", "deploy", "2 of 3", "--handle", "h-1"});
  CHECK(line.names == Words{"deploy"});
  CHECK(line.flags.value == "2 of 3");
  CHECK(line.flags.handle == "h-1");
  CHECK(parse({"set", "deploy", ""}).flags.value == "");
  CHECK(parse({"set", "--", "-x", "-1"}).flags.value == "-1");
  CHECK(refusal_of({"set", "deploy"}) == "no value: lockgate set \"deploy\" VALUE");
  check_mentions(refusal_of({"set", "a", "b", "c"}), {"set takes NAME and VALUE"});
  check_mentions(refusal_of({"set", "a", std::string(65537, 'x')}), {"has 65537 bytes"});
}

TEST_CASE("watch waits until one lock is held, free, or has a value") {
  for (const char* state : {"held", "free", "value=", "value=a=b"}) {
    CHECK(flags_of({"watch", "--until", state, "deploy"}).until == state);
  }
  check_mentions(refusal_of({"watch", "--until", "gone", "deploy"}),
                 {"--until: \"gone\" is none of held, free, value="});
  for (const Words& words : {Words{"watch", "--until", "free"}, Words{"watch", "--until", "free", "a", "b"},
                             Words{"watch", "--until", "free", "a", "--name-prefix", "p"}}) {
    check_mentions(refusal_of(words), {"about one lock", "--until STATE NAME"});
  }
  CHECK(refusal_of({"watch", "--until", "value=" + std::string(65537, 'x'), "a"}) != "");
}

TEST_CASE("watch takes names and prefixes, as many as are wanted") {
  const CommandLine line = parse({"watch", "a", "--name-prefix", "ci/", "b", "--name-prefix=team/"});
  CHECK(line.names == Words{"a", "b"});
  CHECK(line.flags.name_prefixes == Words{"ci/", "team/"});
  check_mentions(refusal_of({"watch", "--name-prefix="}), {"--name-prefix: \"\" is empty"});
}

TEST_CASE("serve has no options about the place of the locks, and takes no names") {
  CHECK(refusal_of({"serve", "--dir", "/x"}).starts_with("--dir is not an option of serve, but of exec, "));
  CHECK(refusal_of({"-b", "file", "serve"}).starts_with("-b is not an option of serve"));
  check_mentions(refusal_of({"serve", "deploy"}), {"serve takes no names"});
}

TEST_CASE("the limits of a server are numbers greater than 0") {
  const Flags flags = flags_of({"serve", "--max-body", "1000", "--max-waiters=5", "--max-locks", "7"});
  CHECK(flags.max_body == 1000);
  CHECK(flags.max_waiters == 5);
  CHECK(flags.max_locks == 7);
  for (const char* text : {"0", "-1", "", "1k", "99999999999999999999"}) {
    check_mentions(refusal_of({"serve", "--max-connections", text}), {"--max-connections: ", "greater than 0"});
  }
  check_mentions(refusal_of({"serve", "--max-ttl", "2h"}), {"between 2s and 1h"});
  check_mentions(refusal_of({"serve", "--log-format", "xml"}), {"neither text nor json"});
}

TEST_CASE("a new token has a name, and what it is like is said with --new-token only") {
  const Flags flags = flags_of({"serve", "--new-token", "--name", "ci", "--role", "read", "--name-prefix", "ci/"});
  CHECK((flags.new_token && flags.token_name == "ci" && flags.token_role == "read"));
  CHECK(flags.name_prefixes == Words{"ci/"});
  check_mentions(refusal_of({"serve", "--new-token"}), {"--name NAME"});
  check_mentions(refusal_of({"serve", "--name", "ci"}), {"--new-token"});
  check_mentions(refusal_of({"serve", "--new-token", "--name", "a b"}), {"is no name for a token"});
  check_mentions(refusal_of({"serve", "--new-token", "--name", "a", "--role", "root"}), {"read, lock, admin"});
  check_mentions(refusal_of({"serve", "--new-token", "--name", "a", "--name-prefix", "x,y"}), {"a comma or a space"});
  check_mentions(refusal_of({"serve", "--new-token", "--name", "a", "--listen", ":1"}), {"runs no server"});
}

TEST_CASE("exec needs something to run") {
  check_mentions(refusal_of({"exec", "deploy"}), {"no command to run under the lock \"deploy\"", "-- COMMAND"});
  check_mentions(refusal_of({"exec", "deploy", "--"}), {"no command to run"});
  check_mentions(refusal_of({"exec", "--", "deploy", "--"}), {"no command to run"});
}

TEST_CASE("a shell string takes the place of the command") {
  const CommandLine line = parse({"exec", "deploy", "-c", "echo $HOME; exit 3"});
  CHECK(line.flags.shell == "echo $HOME; exit 3");
  CHECK(line.argv.empty());
  CHECK(parse({"exec", "deploy", "-c", "true", "--"}).argv.empty());
  check_mentions(refusal_of({"exec", "-c", "true", "deploy", "make"}), {"--shell", "\"make\""});
}

TEST_CASE("release is told in one way which hold is meant") {
  check_mentions(refusal_of({"release", "--mine", "deploy", "h"}), {"HANDLE", "--mine", "--force"});
  check_mentions(refusal_of({"release", "--mine", "--force", "deploy"}), {"give one of them"});
}

TEST_CASE("a quiet status asks about named locks") {
  CHECK(flags_of({"status", "-q", "deploy"}).quiet);
  CHECK(flags_of({"-q", "status", "deploy"}).quiet);
  check_mentions(refusal_of({"status", "-q"}), {"asks about a lock", "status -q NAME"});
  check_mentions(refusal_of({"--quiet", "status", "--watch"}), {"status -q NAME"});
}

TEST_CASE("completions ask for names or profiles") {
  const CommandLine line = parse({"-b", "file", "--dir", "/locks", "--config", "c", "__complete", "names"});
  CHECK(line.command == CommandKind::complete);
  CHECK(line.names == Words{"names"});
  CHECK(line.flags.dir == "/locks");
  CHECK(parse({"__complete", "profiles"}).names == Words{"profiles"});
  check_mentions(refusal_of({"__complete", "secrets"}), {"names or profiles"});
  check_mentions(refusal_of({"__complete"}), {"names or profiles"});
}
