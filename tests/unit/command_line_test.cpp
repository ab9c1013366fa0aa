// SPDX-License-Identifier: Apache-2.0
// What may be typed, what it means, and what is said about what may not be typed.
#include "cli/command_line.hpp"

#include <doctest/doctest.h>

#include "cli/help.hpp"
#include "tests/unit/command_line_play.hpp"

using namespace lockgate;
using namespace lockgate::typed;
using namespace std::chrono_literals;

namespace {

bool has_option(std::string_view text, const std::string& option) {
  constexpr auto kLetters = "abcdefghijklmnopqrstuvwxyz-";
  for (std::size_t at = text.find(option); at != std::string_view::npos; at = text.find(option, at + 1)) {
    const std::size_t end = at + option.size();
    if (end == text.size() || std::string_view(kLetters).find(text[end]) == std::string_view::npos) {
      return true;
    }
  }
  return false;
}

std::string all_options_as_written(CommandKind kind) {
  std::string missing;
  for (const OptionSpec& option : option_table()) {
    if (has_option(help_text(kind), "--" + std::string(option.name)) != option.of(kind)) {
      missing += std::string(option.name) + " ";
    }
  }
  return missing;
}

}  // namespace

// ---- commands

TEST_CASE("exec runs the words after NAME") {
  const CommandLine line = parse({"exec", "deploy", "make", "-j", "all"});
  CHECK(line.command == CommandKind::exec);
  CHECK(line.names == Words{"deploy"});
  CHECK(line.argv == Words{"make", "-j", "all"});
}

TEST_CASE("nothing is set that was not asked for") {
  const Flags flags = exec_flags({});
  CHECK(flags.mode == Mode::exclusive);
  CHECK(!flags.nonblock);
  CHECK(!flags.timeout);
  CHECK(!flags.backend);
  CHECK(!flags.conflict_exit_code);
  CHECK(!flags.value);
  CHECK(flags.verbose == 0);
}

TEST_CASE("acquire takes one name") {
  CHECK(parse({"acquire", "deploy"}).names == Words{"deploy"});
  check_mentions(refusal_of({"acquire", "deploy", "make"}), {"\"make\"", "acquire takes one NAME"});
}

TEST_CASE("release takes a name and at most one handle") {
  CHECK(!flags_of({"release", "deploy"}).handle);
  const CommandLine line = parse({"release", "deploy", "h-1"});
  CHECK(line.names == Words{"deploy"});
  CHECK(line.flags.handle == "h-1");
  check_mentions(refusal_of({"release", "deploy", "h-1", "h-2"}), {"\"h-2\"", "at most one HANDLE"});
}

TEST_CASE("status takes any number of names") {
  CHECK(parse({"status"}).names.empty());
  CHECK(parse({"status", "a", "b", "c"}).names == Words{"a", "b", "c"});
}

TEST_CASE("doctor takes no names") {
  CHECK(parse({"doctor"}).command == CommandKind::doctor);
  check_mentions(refusal_of({"doctor", "deploy"}), {"\"deploy\"", "doctor takes no names"});
}

TEST_CASE("a lock needs a name") {
  CHECK(refusal_of({"exec"}) == "no lock name");
  CHECK(refusal_of({"exec", "-n"}) == "no lock name");
  CHECK(refusal_of({"exec", "--"}) == "no lock name");
  CHECK(refusal_of({"acquire"}) == "no lock name");
  CHECK(refusal_of({"release"}) == "no lock name");
}

TEST_CASE("an unknown command is named, with the nearest one") {
  const Complaint complaint = complaint_about({"exce", "deploy", "make"});
  CHECK(complaint.what == "unknown command \"exce\"; did you mean \"exec\"?");
  check_mentions(complaint.next_step, {"lockgate --help"});
}

TEST_CASE("a forgotten exec is easily found") {
  check_mentions(complaint_about({"deploy", "--", "make"}).next_step, {"lockgate exec NAME -- COMMAND"});
}

TEST_CASE("options without a command are refused") {
  CHECK(refusal_of({"-v"}) == "no command");
  check_mentions(refusal_of({"--", "exec", "deploy", "make"}), {"\"--\"", "where a command was expected"});
}

TEST_CASE("the empty word and a lone dash are no options") {
  CHECK(parse({"exec", "", "make"}).names == Words{""});
  CHECK(parse({"exec", "-", "make"}).names == Words{"-"});
  CHECK(parse({"exec", "deploy", ""}).argv == Words{""});
}

// ---- where options end

TEST_CASE("options may stand before the name, and between the name and the dashes") {
  const CommandLine line = parse({"exec", "-s", "deploy", "-w", "5", "--", "make", "-n"});
  CHECK(line.flags.mode == Mode::shared);
  CHECK(line.flags.timeout == Timeout{5s});
  CHECK(!line.flags.nonblock);
  CHECK(line.argv == Words{"make", "-n"});
}

TEST_CASE("options of the command are left to the command") {
  const CommandLine line = parse({"exec", "deploy", "ls", "-n", "--timeout=5", "--help", "--version"});
  CHECK(line.command == CommandKind::exec);
  CHECK(!line.flags.nonblock);
  CHECK(!line.flags.timeout);
  CHECK(line.argv == Words{"ls", "-n", "--timeout=5", "--help", "--version"});
}

TEST_CASE("options between the name and a command without dashes are ours") {
  const CommandLine line = parse({"exec", "deploy", "-n", "ls", "-n"});
  CHECK(line.flags.nonblock);
  CHECK(line.argv == Words{"ls", "-n"});
}

TEST_CASE("after the dashes every word is the command's") {
  CHECK(parse({"exec", "deploy", "--", "--", "x"}).argv == Words{"--", "x"});
  CHECK(parse({"exec", "deploy", "--", "-x"}).argv == Words{"-x"});
  CHECK(parse({"exec", "deploy", "make", "--", "x"}).argv == Words{"make", "--", "x"});
}

TEST_CASE("dashes before the name let it begin with a dash, and a second pair parts it from the command") {
  const CommandLine line = parse({"exec", "--", "-x", "--", "cmd", "--", "y"});
  CHECK(line.names == Words{"-x"});
  CHECK(line.argv == Words{"cmd", "--", "y"});
  CHECK(line.flags.mode == Mode::exclusive);
}

TEST_CASE("dashes before the name end the options for good") {
  const CommandLine line = parse({"exec", "--", "deploy", "-n", "x"});
  CHECK(line.argv == Words{"-n", "x"});
  CHECK(!line.flags.nonblock);
}

TEST_CASE("the other commands take options and names in any order, up to the dashes") {
  const CommandLine line = parse({"status", "a", "--json", "b", "--", "--watch"});
  CHECK(line.flags.json);
  CHECK(!line.flags.watch);
  CHECK(line.names == Words{"a", "b", "--watch"});
  CHECK(parse({"release", "--", "-x", "-h"}).flags.handle == "-h");
  CHECK(parse({"acquire", "deploy", "-n"}).flags.nonblock);
}

TEST_CASE("global options stand before or after the command's name") {
  const Words before = {"-b", "ci", "--config=c.yaml", "-qvv", "--color", "never", "exec", "deploy", "make"};
  const Words after = {"exec", "-b", "ci", "--config=c.yaml", "-qvv", "--color", "never", "deploy", "make"};
  for (const Words& words : {before, after}) {
    const Flags flags = flags_of(words);
    CHECK(flags.backend == "ci");
    CHECK(flags.config == "c.yaml");
    CHECK(flags.quiet);
    CHECK(flags.verbose == 2);
    CHECK(flags.color == "never");
  }
}

TEST_CASE("the directory may be said before the command's name") {
  const Flags flags = flags_of({"--dir", "/locks", "--allow-insecure-dir", "status"});
  CHECK(flags.dir == "/locks");
  CHECK(flags.allow_insecure_dir);
}

TEST_CASE("the value of a global option is not taken for the command") {
  CHECK(parse({"-b", "exec", "status"}).command == CommandKind::status);
}

TEST_CASE("an option of one command does not stand before its name") {
  check_mentions(refusal_of({"-n", "exec", "deploy", "make"}), {"-n must stand after the command's name"});
}

// ---- how options are written

TEST_CASE("a value may be attached to its option or follow it") {
  CHECK(exec_flags({"-w5"}).timeout == Timeout{5s});
  CHECK(exec_flags({"-w", "5"}).timeout == Timeout{5s});
  CHECK(exec_flags({"--timeout=5"}).timeout == Timeout{5s});
  CHECK(exec_flags({"--timeout", "5"}).timeout == Timeout{5s});
}

TEST_CASE("single letters may be put together") {
  const Flags flags = exec_flags({"-sn"});
  CHECK(flags.mode == Mode::shared);
  CHECK(flags.nonblock);
  CHECK(exec_flags({"-sw5"}).timeout == Timeout{5s});
  CHECK(exec_flags({"-sw", "5"}).timeout == Timeout{5s});
  CHECK(exec_flags({"-nw0"}).nonblock);
  CHECK(exec_flags({"-vvv"}).verbose == 3);
  CHECK(exec_flags({"-v", "-v"}).verbose == 2);
}

TEST_CASE("a letter with a value takes the rest of its word") {
  CHECK(flags_of({"exec", "deploy", "-cnot"}).shell == "not");
  CHECK(exec_flags({"-bnone"}).backend == "none");
}

TEST_CASE("a value may be empty, begin with a dash, or look like anything") {
  CHECK(exec_flags({"--value="}).value == "");
  CHECK(exec_flags({"--value", ""}).value == "");
  CHECK(exec_flags({"--value", "--"}).value == "--");
  CHECK(exec_flags({"--value", "-n"}).value == "-n");
  CHECK(exec_flags({"--value=--value=x"}).value == "--value=x");
  CHECK(exec_flags({"--value", "{}"}).value == "{}");
  CHECK(exec_flags({"--value", "[a,b]"}).value == "[a,b]");
  CHECK(exec_flags({"--value", "%%"}).value == "%%");
  CHECK(exec_flags({"--value", "\"x\""}).value == "\"x\"");
  CHECK(exec_flags({"--value", "two\nlines"}).value == "two\nlines");
  CHECK(!exec_flags({"--value", "-n"}).nonblock);
}

TEST_CASE("an option given twice means what was said last") {
  CHECK(exec_flags({"-w", "5", "--timeout", "6"}).timeout == Timeout{6s});
  CHECK(exec_flags({"--value", "a", "--value", "b"}).value == "b");
  CHECK(exec_flags({"-s", "-x"}).mode == Mode::exclusive);
  CHECK(exec_flags({"-x", "-s"}).mode == Mode::shared);
  CHECK(exec_flags({"-sxs"}).mode == Mode::shared);
  CHECK(exec_flags({"--exclusive", "--shared"}).mode == Mode::shared);
}

TEST_CASE("a missing value is named, with what it means") {
  CHECK(refusal_of({"exec", "deploy", "-w"}) == "-w needs a value: -w D (wait at most D)");
  CHECK(refusal_of({"status", "--config"}) == "--config needs a value: --config FILE (the configuration file)");
}

TEST_CASE("a switch takes no value") {
  check_mentions(refusal_of({"exec", "--shared=yes", "deploy", "make"}), {"--shared takes no value"});
  check_mentions(refusal_of({"exec", "-n=1", "deploy", "make"}), {"-n takes no value"});
}

TEST_CASE("an unknown option is named, with the nearest one of that command") {
  const Complaint complaint = complaint_about({"exec", "--timeuot=5", "deploy", "make"});
  CHECK(complaint.what == "unknown option \"--timeuot\" for exec; did you mean \"--timeout\"?");
  CHECK(complaint.next_step == "try: lockgate exec --help");
  CHECK(refusal_of({"exec", "-timeout", "deploy", "make"}) ==
        "unknown option \"-timeout\" for exec; did you mean \"--timeout\"?");
  CHECK(refusal_of({"acquire", "-Q", "deploy"}) == "unknown option \"-Q\" for acquire");
  CHECK(refusal_of({"--colour", "never", "status"}) == "unknown option \"--colour\"; did you mean \"--color\"?");
}

TEST_CASE("a letter that is no option is found in its cluster") {
  CHECK(refusal_of({"exec", "-sZ", "deploy", "make"}) == "unknown option \"-sZ\" for exec");
}

TEST_CASE("an option of another command is said to be one") {
  CHECK(refusal_of({"exec", "--watch", "deploy", "make"}) == "--watch is not an option of exec, but of status");
  CHECK(refusal_of({"status", "-n"}) == "-n is not an option of status, but of exec and acquire");
  CHECK(refusal_of({"doctor", "--path"}) ==
        "--path is not an option of doctor, but of exec, acquire, release, status and get");
  CHECK(refusal_of({"--json", "release", "deploy"}) ==
        "--json is not an option of release, but of status, get, watch and doctor");
  CHECK(refusal_of({"exec", "--listen", ":80", "deploy", "make"}) == "--listen is not an option of exec, but of serve");
}

TEST_CASE("options of backends that this build does not have are refused, and their values not repeated") {
  CHECK(refusal_of({"status", "--endpoints=https://user:secret@host"}) ==
        "--endpoints: this build has no etcd backend");
  CHECK(refusal_of({"exec", "--prefix", "/locks", "deploy", "make"}) == "--prefix: this build has no etcd backend");
  CHECK(refusal_of({"--kubeconfig", "f", "status"}) == "--kubeconfig: this build has no k8s backend");
}

TEST_CASE("a lock server is said before or after the command's name") {
  for (const Words& words : {Words{"--url", "http://h", "--token-file=t", "--cacert", "a", "get", "x"},
                             Words{"get", "x", "--url", "http://h", "--token-file=t", "--cacert", "a"}}) {
    const Flags flags = flags_of(words);
    CHECK(flags.url == "http://h");
    CHECK(flags.token_file == "t");
    CHECK(flags.ca_file == "a");
  }
  const Flags flags = flags_of({"watch", "--cert", "c", "--key", "k"});
  CHECK((flags.cert_file == "c" && flags.key_file == "k"));
}

// ---- help and version

TEST_CASE("no words at all show the overview") {
  const CommandLine line = parse({});
  CHECK(line.command == CommandKind::overview);
  CHECK(line.program_help == help_text(CommandKind::overview));
}

TEST_CASE("help is there for each command, in either order") {
  CHECK(parse({"--help"}).program_help == help_text(CommandKind::overview));
  CHECK(parse({"help"}).program_help == help_text(CommandKind::overview));
  CHECK(parse({"help", "help"}).program_help == help_text(CommandKind::overview));
  CHECK(parse({"exec", "-h"}).program_help == help_text(CommandKind::exec));
  CHECK(parse({"-h", "exec"}).program_help == help_text(CommandKind::exec));
  CHECK(parse({"help", "status"}).program_help == help_text(CommandKind::status));
  CHECK(parse({"help", "status"}).command == CommandKind::help);
  check_mentions(refusal_of({"help", "stauts"}), {"did you mean \"status\"?"});
}

TEST_CASE("help wins over whatever is wrong") {
  CHECK(parse({"exec", "--bogus", "-w", "x", "-h"}).command == CommandKind::help);
  CHECK(parse({"exec", "deploy", "-nh", "--", "make"}).command == CommandKind::help);
  CHECK(parse({"--version", "--help"}).command == CommandKind::help);
  CHECK(parse({"bogus", "--help"}).program_help == help_text(CommandKind::overview));
}

TEST_CASE("a -h that is a value, or the command's, asks for no help") {
  CHECK(exec_flags({"--value", "-h"}).value == "-h");
  CHECK(parse({"exec", "deploy", "man", "-h"}).command == CommandKind::exec);
  CHECK(parse({"exec", "deploy", "--", "-h"}).command == CommandKind::exec);
}

TEST_CASE("the version is one line") {
  CHECK(parse({"--version"}).program_help == "lockgate " LOCKGATE_VERSION "\n");
  CHECK(parse({"exec", "--version"}).command == CommandKind::version);
}

TEST_CASE("the help of a command has all of its options and no others") {
  CHECK(all_options_as_written(CommandKind::exec) == "");
  CHECK(all_options_as_written(CommandKind::acquire) == "");
  CHECK(all_options_as_written(CommandKind::release) == "");
  CHECK(all_options_as_written(CommandKind::status) == "");
  CHECK(all_options_as_written(CommandKind::renew) == "");
  CHECK(all_options_as_written(CommandKind::get) == "");
  CHECK(all_options_as_written(CommandKind::set) == "");
  CHECK(all_options_as_written(CommandKind::watch) == "");
  CHECK(all_options_as_written(CommandKind::serve) == "");
  CHECK(all_options_as_written(CommandKind::doctor) == "");
}

TEST_CASE("no two options share a name or a letter") {
  for (const OptionSpec& option : option_table()) {
    CHECK(find_option(option.name) == &option);
    CHECK((option.letter == 0 || find_option(option.letter) == &option));
  }
}
