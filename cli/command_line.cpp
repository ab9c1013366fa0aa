// SPDX-License-Identifier: Apache-2.0
// Two steps: a scan tells options, names and COMMAND apart; then CLI11 reads the options. CLI11 alone could not tell
// which words are COMMAND's: it would take `-n` in `exec NAME ls -n` for ours.
#include "cli/command_line.hpp"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <string_view>
#include <utility>

#include "cli/did_you_mean.hpp"
#include "cli/help.hpp"
#include "cli/word_scan.hpp"
#include "core/error.hpp"

namespace lockgate {
namespace {

// ---- what can be wrong with it

[[noreturn]] void refuse(std::optional<CommandKind> command, const std::string& what) {
  const std::string_view name = command ? to_string(*command) : "";
  const bool own_help = !name.empty() && command != CommandKind::complete;
  throw Error(ExitCode::usage, what, own_help ? fmt::format("try: lockgate {} --help", name) : "try: lockgate --help");
}

/// Quoted and short: a word of a command line may be as long as a file.
std::string shown(const std::string& text) {
  constexpr std::size_t kLongest = 80;
  return text.size() <= kLongest ? quote(text) : quote(text.substr(0, kLongest)) + "...";
}

/// "exec", "exec and acquire", "exec, acquire and status": the commands that have the option.
std::string owners_of(const OptionSpec& option) {
  std::vector<std::string_view> names;
  for (const CommandSpec& command : command_table()) {
    if (command.kind != CommandKind::complete && option.of(command.kind)) {
      names.push_back(command.name);
    }
  }
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
  }
  return text;
}

[[noreturn]] void refuse_command(const std::string& word) {
  std::vector<std::string> names;
  for (const CommandSpec& command : command_table()) {
    if (command.kind != CommandKind::complete) {
      names.emplace_back(command.name);
    }
  }
  throw Error(ExitCode::usage, fmt::format("unknown command {}{}", shown(word), did_you_mean(word, names)),
              "try: lockgate exec NAME -- COMMAND, or lockgate --help");
}

[[noreturn]] void refuse_unknown(std::optional<CommandKind> command, const std::string& text) {
  std::vector<std::string> choices;
  for (const OptionSpec& option : option_table()) {
    if (command ? option.of(*command) : option.global && option.commands != 0) {
      choices.push_back(fmt::format("--{}", option.name));
    }
  }
  // "-timeout" is near to "--timeout", but "-t" alone is near to nothing.
  const std::string nearest = did_you_mean(text.starts_with("--") || text.size() == 2 ? text : "-" + text, choices);
  const std::string_view name = command ? to_string(*command) : "";
  refuse(command, fmt::format("unknown option {}{}{}{}", shown(text), name.empty() ? "" : " for ", name, nearest));
}

void check_found(const Found& found, std::optional<CommandKind> command) {
  if (found.flaw == Found::Flaw::unknown) {
    refuse_unknown(command, found.text);
  }
  const OptionSpec& option = *found.option;
  if (option.set == nullptr) {
    refuse(command, fmt::format("{}: this build has no {} backend", found.text, option.help));
  }
  if (command && !option.of(*command)) {
    refuse(command,
           fmt::format("{} is not an option of {}, but of {}", found.text, to_string(*command), owners_of(option)));
  }
  if (found.before_command && !option.global) {
    refuse(command, fmt::format("{} must stand after the command's name: lockgate {} {} ...", found.text,
                                command ? to_string(*command) : "COMMAND", found.text));
  }
  if (found.flaw == Found::Flaw::no_value) {
    refuse(command,
           fmt::format("{} needs a value: {} {} ({})", found.text, found.text, option.placeholder, option.help));
  }
  if (found.flaw == Found::Flaw::unwanted_value) {
    refuse(command, fmt::format("{} takes no value ({})", found.text, option.help));
  }
}

void check_scan(const Scanned& scanned) {
  for (const Found& found : scanned.found) {
    // Where an option before the command is unknown, its value may have been taken for the command: say that first.
    if (found.before_command || !scanned.unknown_command) {
      check_found(found, scanned.command);
    }
  }
  if (scanned.unknown_command) {
    refuse_command(*scanned.unknown_command);
  }
  if (!scanned.command || scanned.dashes_first) {
    refuse(scanned.command, scanned.dashes_first ? "\"--\" stands where a command was expected" : "no command");
  }
}

/// Words that a command does not take.
void check_most(const CommandLine& line, std::size_t most, std::string_view what) {
  if (line.names.size() > most) {
    refuse(line.command,
           fmt::format("{} is one word too many: {} takes {}", shown(line.names[most]), to_string(line.command), what));
  }
}

void check_name(const CommandLine& line) {
  if (line.names.empty()) {
    refuse(line.command, "no lock name");
  }
}

void check_wait(CommandLine& line) {
  Flags& flags = line.flags;
  if (!flags.nonblock) {
    return;
  }
  if (flags.timeout && flags.timeout->limit != Duration::zero()) {
    refuse(line.command, "--nonblock says not to wait, and --timeout how long to wait: give one of them");
  }
  flags.timeout = Timeout{Duration::zero()};
}

void check_exec(const CommandLine& line) {
  check_name(line);
  if (line.flags.shell && !line.argv.empty()) {
    refuse(line.command, fmt::format("--shell names what to run, and so does the word {}: give one of them",
                                     shown(line.argv.front())));
  }
  if (!line.flags.shell && line.argv.empty()) {
    refuse(line.command, fmt::format("no command to run under the lock {}: lockgate exec NAME -- COMMAND [ARG...]",
                                     shown(line.names.front())));
  }
}

void check_release(CommandLine& line) {
  check_name(line);
  check_most(line, 2, "NAME and at most one HANDLE");
  Flags& flags = line.flags;
  if (line.names.size() == 2) {
    flags.handle = line.names.back();
    line.names.pop_back();
  }
  if (flags.mine + flags.force + flags.handle.has_value() > 1) {
    refuse(line.command, "a HANDLE, --mine and --force each say which hold is meant: give one of them");
  }
}

void check_renew(CommandLine& line) {
  check_name(line);
  if (line.names.size() < 2) {
    refuse(line.command, fmt::format("no handle: lockgate renew {} HANDLE", shown(line.names.front())));
  }
  check_most(line, 2, "NAME and HANDLE");
  line.flags.handle = line.names.back();
  line.names.pop_back();
}

void check_set(CommandLine& line) {
  check_name(line);
  if (line.names.size() < 2) {
    refuse(line.command, fmt::format("no value: lockgate set {} VALUE", shown(line.names.front())));
  }
  check_most(line, 2, "NAME and VALUE");
  line.flags.value = line.names.back();
  line.names.pop_back();
  if (const std::string flaw = flaw_of_value(*line.flags.value); !flaw.empty()) {
    refuse(line.command, fmt::format("the value {} {}", shown(*line.flags.value), flaw));
  }
}

/// What a new token is like is asked for with --new-token, and nothing else is then.
void check_serve(const CommandLine& line) {
  check_most(line, 0, "no names");
  const Flags& flags = line.flags;
  if (!flags.new_token) {
    if (flags.token_name || flags.token_role || !flags.name_prefixes.empty()) {
      refuse(line.command, "--name, --role and --name-prefix describe a new token: say --new-token, too");
    }
    return;
  }
  if (!flags.token_name) {
    refuse(line.command, "--new-token needs a name for the token: --name NAME");
  }
  for (const std::string& prefix : flags.name_prefixes) {
    if (prefix.find_first_of(", \t") != std::string::npos) {
      refuse(line.command, fmt::format("--name-prefix: {} has a comma or a space in it, which a file of tokens cannot "
                                       "have there",
                                       shown(prefix)));
    }
  }
  if (flags.listen || flags.store || flags.tls_cert || flags.insecure) {
    refuse(line.command, "--new-token makes a token and runs no server: give it --tokens at most");
  }
}

void check_complete(const CommandLine& line) {
  if (line.names.size() != 1 || (line.names[0] != "names" && line.names[0] != "profiles")) {
    refuse(line.command, "__complete takes one word: names or profiles");
  }
}

void check_command(CommandLine& line) {
  check_wait(line);
  switch (line.command) {
    case CommandKind::exec:
      return check_exec(line);
    case CommandKind::acquire:
      check_name(line);
      return check_most(line, 1, "one NAME");
    case CommandKind::release:
      return check_release(line);
    case CommandKind::status:
      // A script's `status -q $name` with an empty variable must not look like "held".
      if (line.flags.quiet && line.names.empty()) {
        refuse(line.command, "--quiet asks about a lock: lockgate status -q NAME");
      }
      return;
    case CommandKind::renew:
      return check_renew(line);
    case CommandKind::get:
      check_name(line);
      return check_most(line, 1, "one NAME");
    case CommandKind::set:
      return check_set(line);
    case CommandKind::serve:
      return check_serve(line);
    case CommandKind::doctor:
      return check_most(line, 0, "no names");
    case CommandKind::complete:
      return check_complete(line);
    case CommandKind::watch:
      if (line.flags.until && (line.names.size() != 1 || !line.flags.name_prefixes.empty())) {
        refuse(line.command, "--until is about one lock: lockgate watch --until STATE NAME");
      }
      return;
    case CommandKind::help:
    case CommandKind::version:
    case CommandKind::overview:
      return;
  }
}

// ---- the options

void apply(const OptionSpec& option, const std::string& text, CommandKind command, Flags& flags) {
  const std::string flaw = option.set(flags, text);
  if (!flaw.empty()) {
    refuse(command, fmt::format("--{}: {} {}", option.name, shown(text), flaw));
  }
}

/// CLI11 takes clusters and attached values apart. It is told only of the options that were found: building it with
/// all of them would take longer than taking a free lock.
Flags read_options(const Scanned& scanned, CommandKind command) {
  Flags flags;
  if (scanned.found.empty()) {
    return flags;
  }
  CLI::App app;
  std::vector<const OptionSpec*> told;
  for (const Found& found : scanned.found) {
    const OptionSpec& option = *found.option;
    if (std::find(told.begin(), told.end(), &option) != told.end()) {
      continue;
    }
    told.push_back(&option);
    const std::string names =
        option.letter == 0 ? fmt::format("--{}", option.name) : fmt::format("-{},--{}", option.letter, option.name);
    // trigger_on_parse: at each occurrence and in the order of the command line, so that the last one wins.
    if (option.takes_value()) {
      const auto set = [&option, &flags, command](const CLI::results_t& texts) {
        apply(option, texts.back(), command, flags);
        return true;
      };
      app.add_option(names, CLI::callback_t(set))->trigger_on_parse();
    } else {
      app.add_flag_function(names, [&option, &flags, command](std::int64_t) { apply(option, "", command, flags); })
          ->trigger_on_parse();
    }
  }
  std::vector<std::string> words(scanned.option_words.rbegin(), scanned.option_words.rend());  // it pops from the back
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    refuse(command, error.what());
  }
  return flags;
}

CommandLine text_only(CommandKind kind, std::string text) {
  CommandLine line;
  line.command = kind;
  line.program_help = std::move(text);
  return line;
}

/// `lockgate help`, `lockgate help CMD`.
CommandLine asked_help(const Scanned& scanned) {
  std::optional<CommandKind> about = scanned.command;
  if (scanned.command == CommandKind::help && !scanned.names.empty()) {
    Scanned topic = scan_words({scanned.names.front()});
    if (topic.unknown_command) {
      refuse_command(*topic.unknown_command);
    }
    about = topic.command;
  }
  return text_only(CommandKind::help, std::string(help_text(about.value_or(CommandKind::overview))));
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  if (argc < 2) {
    return text_only(CommandKind::overview, std::string(help_text(CommandKind::overview)));
  }
  Scanned scanned = scan_words(std::vector<std::string>(argv + 1, argv + argc));
  if (scanned.asks_for("help")) {
    return asked_help(scanned);
  }
  if (scanned.asks_for("version")) {
    return text_only(CommandKind::version, "lockgate " LOCKGATE_VERSION "\n");
  }
  check_scan(scanned);
  if (scanned.command == CommandKind::help) {
    return asked_help(scanned);
  }
  CommandLine line;
  line.command = *scanned.command;
  line.flags = read_options(scanned, line.command);
  line.names = std::move(scanned.names);
  line.argv = std::move(scanned.argv);
  check_command(line);
  return line;
}

}  // namespace lockgate
