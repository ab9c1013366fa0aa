// SPDX-License-Identifier: Apache-2.0
// The commands and options as data: one table that the parser, its messages and the tests read. An option that was
// once released never changes its meaning.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/settings.hpp"
#include "core/lock.hpp"

namespace lockgate {

enum class CommandKind {
  exec,
  acquire,
  release,
  renew,
  status,
  get,
  set,
  watch,
  serve,
  doctor,
  complete,  // `__complete names|profiles`, for the shell completions
  help,
  version,
  overview,  // nothing was asked: the help goes to stderr, with ExitCode::usage
};

struct CommandSpec {
  std::string_view name;
  CommandKind kind;
};

std::span<const CommandSpec> command_table();

/// "exec"; empty for help, version and overview.
std::string_view to_string(CommandKind kind);

/// What the options of `serve` say; empty or false where they were not given.
struct ServeFlags {
  std::optional<std::string> listen;
  std::optional<std::string> store;
  std::optional<std::string> tls_cert;
  std::optional<std::string> tls_key;
  std::optional<std::string> client_ca;
  std::optional<std::string> tokens;
  bool insecure = false;
  std::optional<Duration> max_ttl;
  bool no_restart_grace = false;
  std::optional<std::size_t> max_body;
  std::optional<std::size_t> max_connections;
  std::optional<std::size_t> max_connections_per_address;
  std::optional<std::size_t> max_waiters;
  std::optional<std::size_t> max_locks;
  std::optional<std::string> log_format;
  bool new_token = false;
  std::optional<std::string> token_name;
  std::optional<std::string> token_role;
};

/// What the options of a command line say. Those that the environment and the configuration can say too are in the
/// base; empty or false where they were not given. The values are checked one by one.
struct Flags : SettingsInput, ServeFlags {
  bool quiet = false;
  int verbose = 0;
  bool json = false;
  Mode mode = Mode::exclusive;
  bool nonblock = false;  // then `timeout` is zero, too
  std::optional<std::string> value;
  std::optional<std::string> reason;
  std::optional<std::string> id;
  bool publish_command = false;
  bool path = false;
  std::optional<std::string> shell;
  std::optional<Duration> max_hold;
  std::optional<pid_t> owner_pid;
  bool close = false;
  bool reentrant = false;
  bool wait_tree = false;
  bool mine = false;
  bool force = false;
  bool yes = false;
  bool watch = false;
  bool keep = false;
  std::optional<std::string> handle;       // the second word of `release` and `renew`; `set --handle`
  std::vector<std::string> name_prefixes;  // watch, serve
  std::optional<std::string> until;        // "held", "free", or "value=" and what follows
};

/// Takes the text of one option into `flags`. Returns what is wrong with the text, to be read after it ("is no
/// duration"), or nothing. For a switch the text is empty.
using SetFlag = std::string (*)(Flags& flags, const std::string& text);

struct OptionSpec {
  std::string_view name;         // without the dashes
  char letter;                   // 0: none
  std::string_view placeholder;  // of its value; empty: a switch
  std::string_view help;         // one line
  unsigned commands;             // a bit for each CommandKind that takes it
  bool global;                   // may also stand before the command's name
  SetFlag set;                   // nullptr: an option of the backend `help`, which this build does not have

  [[nodiscard]] bool of(CommandKind kind) const { return ((commands >> static_cast<unsigned>(kind)) & 1U) != 0; }
  [[nodiscard]] bool takes_value() const { return !placeholder.empty(); }
};

std::span<const OptionSpec> option_table();

/// What is wrong with the value of a hold, to be read after it ("has 70000 bytes ..."), or nothing.
std::string flaw_of_value(const std::string& text);

/// nullptr where there is none.
const OptionSpec* find_option(std::string_view name);
const OptionSpec* find_option(char letter);

}  // namespace lockgate
