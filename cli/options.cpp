// SPDX-License-Identifier: Apache-2.0
// The table of options, and how the text of each becomes a value.
#include "cli/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/duration.hpp"

namespace lockgate {
namespace {

constexpr auto kDurationLook = "a duration looks like 250ms, 10s, 1m30s or 2h, or is a bare number of seconds";
constexpr std::size_t kMaxId = 1024;

constexpr std::array<CommandSpec, 11> kCommands = {{{"exec", CommandKind::exec},
                                                    {"acquire", CommandKind::acquire},
                                                    {"release", CommandKind::release},
                                                    {"status", CommandKind::status},
                                                    {"doctor", CommandKind::doctor},
                                                    {"__complete", CommandKind::complete},
                                                    {"renew", {}},
                                                    {"get", {}},
                                                    {"set", {}},
                                                    {"watch", {}},
                                                    {"serve", {}}}};

// ---- setters that many options share

template <auto Member>
std::string set_text(Flags& flags, const std::string& text) {
  flags.*Member = text;
  return {};
}

template <auto Member>
std::string set_true(Flags& flags, const std::string& /*text*/) {
  flags.*Member = true;
  return {};
}

template <Mode mode>
std::string set_mode(Flags& flags, const std::string& /*text*/) {
  flags.mode = mode;
  return {};
}

template <auto Member>
std::string set_duration(Flags& flags, const std::string& text) {
  flags.*Member = parse_duration(text);
  return flags.*Member ? "" : fmt::format("is no duration; {}", kDurationLook);
}

template <class Number>
std::optional<Number> parse_number(const std::string& text) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && stop == end ? std::optional(number) : std::nullopt;
}

// ---- setters of one option

std::string set_verbose(Flags& flags, const std::string& /*text*/) {
  ++flags.verbose;
  return {};
}

std::string set_color(Flags& flags, const std::string& text) {
  flags.color = text;
  return text == "auto" || text == "always" || text == "never" ? "" : "is none of auto, always, never";
}

std::string set_on_lost(Flags& flags, const std::string& text) {
  flags.on_lost = text;
  return text == "terminate" || text == "continue" ? "" : "is neither terminate nor continue";
}

std::string set_timeout(Flags& flags, const std::string& text) {
  flags.timeout = parse_timeout(text);
  return flags.timeout ? "" : fmt::format("is neither a duration nor \"none\"; {}", kDurationLook);
}

std::string set_ttl(Flags& flags, const std::string& text) {
  flags.ttl = parse_duration(text);
  if (!flags.ttl) {
    return fmt::format("is no duration; {}", kDurationLook);
  }
  return *flags.ttl < kShortestTtl || *flags.ttl > kLongestTtl ? "is not between 2s and 1h" : "";
}

std::string set_max_hold(Flags& flags, const std::string& text) {
  const std::string flaw = set_duration<&Flags::max_hold>(flags, text);
  return flaw.empty() && *flags.max_hold <= Duration::zero() ? "is no time at all; it must be longer than 0" : flaw;
}

std::string set_conflict_exit_code(Flags& flags, const std::string& text) {
  const auto code = parse_number<int>(text);
  if (!code || *code < 0 || *code > 255) {
    return "is not a number from 0 to 255";
  }
  flags.conflict_exit_code = code;
  return {};
}

std::string set_owner_pid(Flags& flags, const std::string& text) {
  flags.owner_pid = parse_number<pid_t>(text);
  return flags.owner_pid && *flags.owner_pid > 0 ? "" : "is not the number of a process";
}

std::string set_value(Flags& flags, const std::string& text) {
  flags.value = text;
  return text.size() <= kMaxValue ? "" : fmt::format("has {} bytes; a value has at most {}", text.size(), kMaxValue);
}

/// One line of text of a bounded length.
std::string flaw_of_line(const std::string& text, std::size_t longest) {
  if (text.size() > longest) {
    return fmt::format("has {} bytes; it may have at most {}", text.size(), longest);
  }
  const auto flaw = find_flaw(text);
  return flaw ? fmt::format("has {} at byte {}; it must be UTF-8 without control characters", flaw->what, flaw->offset)
              : "";
}

std::string set_reason(Flags& flags, const std::string& text) {
  flags.reason = text;
  return flaw_of_line(text, kMaxReason);
}

std::string set_id(Flags& flags, const std::string& text) {
  flags.id = text;
  return text.empty() ? "is empty" : flaw_of_line(text, kMaxId);
}

std::string set_nothing(Flags& /*flags*/, const std::string& /*text*/) {
  return {};  // help and version are acted on before any value is looked at
}

// ---- the table

constexpr unsigned bit(CommandKind kind) {
  return 1U << static_cast<unsigned>(kind);
}
constexpr unsigned kExec = bit(CommandKind::exec);
constexpr unsigned kAcquire = bit(CommandKind::acquire);
constexpr unsigned kRelease = bit(CommandKind::release);
constexpr unsigned kStatus = bit(CommandKind::status);
constexpr unsigned kDoctor = bit(CommandKind::doctor);
constexpr unsigned kTake = kExec | kAcquire;
constexpr unsigned kAll = kTake | kRelease | kStatus | kDoctor | bit(CommandKind::complete) | bit(CommandKind::help);

constexpr bool kGlobal = true;
constexpr bool kLocal = false;

constexpr OptionSpec switch_of(std::string_view name, char letter, std::string_view help, unsigned commands,
                               SetFlag set) {
  return {name, letter, "", help, commands, kLocal, set};
}
constexpr OptionSpec value_of(std::string_view name, char letter, std::string_view placeholder, std::string_view help,
                              unsigned commands, SetFlag set) {
  return {name, letter, placeholder, help, commands, kLocal, set};
}
constexpr OptionSpec of_other_backends(std::string_view name) {
  return {name, 0, "TEXT", "an option of other backends", 0, kGlobal, nullptr};
}

constexpr std::array kOptions = {
    OptionSpec{"backend", 'b', "BACKEND", "kind, URL or profile", kAll, kGlobal, set_text<&Flags::backend>},
    OptionSpec{"config", 0, "FILE", "the configuration file", kAll, kGlobal, set_text<&Flags::config>},
    OptionSpec{"dir", 0, "DIR", "where the lock files are", kAll, kGlobal, set_text<&Flags::dir>},
    OptionSpec{"allow-insecure-dir", 0, "", "use DIR even if strangers could tamper with it", kAll, kGlobal,
               set_true<&Flags::allow_insecure_dir>},
    OptionSpec{"quiet", 'q', "", "say nothing but errors", kAll, kGlobal, set_true<&Flags::quiet>},
    OptionSpec{"verbose", 'v', "", "say more; twice: still more", kAll, kGlobal, set_verbose},
    OptionSpec{"json", 0, "", "print JSON", kStatus | kDoctor, kGlobal, set_true<&Flags::json>},
    OptionSpec{"color", 0, "WHEN", "auto, always or never", kAll, kGlobal, set_color},
    OptionSpec{"version", 0, "", "print the version", kAll, kGlobal, set_nothing},
    OptionSpec{"help", 'h', "", "print help", kAll, kGlobal, set_nothing},

    switch_of("shared", 's', "share the lock with other shared holders", kTake, set_mode<Mode::shared>),
    switch_of("exclusive", 'x', "have the lock alone (the default)", kTake, set_mode<Mode::exclusive>),
    switch_of("nonblock", 'n', "do not wait", kTake, set_true<&Flags::nonblock>),
    value_of("timeout", 'w', "D", "wait at most D", kTake, set_timeout),
    value_of("conflict-exit-code", 'E', "N", "exit status where the lock was not had", kTake, set_conflict_exit_code),
    value_of("ttl", 0, "D", "lease length; no meaning for files", kTake, set_ttl),
    value_of("value", 0, "TEXT", "publish TEXT with the lock", kTake, set_value),
    value_of("reason", 0, "TEXT", "publish why the lock is held", kTake, set_reason),
    value_of("id", 0, "ID", "the acquirer's id", kTake, set_id),
    switch_of("publish-command", 0, "publish the whole command line", kTake, set_true<&Flags::publish_command>),
    switch_of("path", 0, "NAME is the file or directory to lock", kTake | kRelease | kStatus, set_true<&Flags::path>),
    value_of("shell", 'c', "STRING", "run STRING with a shell", kExec, set_text<&Flags::shell>),
    value_of("on-lost", 0, "WHAT", "terminate or continue when the lock is lost", kTake, set_on_lost),
    value_of("kill-after", 0, "D", "from SIGTERM to SIGKILL", kExec, set_duration<&Flags::kill_after>),
    value_of("max-hold", 0, "D", "end the hold after D", kTake, set_max_hold),
    value_of("owner-pid", 0, "PID", "give the lock back when process PID ends", kAcquire, set_owner_pid),
    switch_of("close", 'o', "keep the lock's descriptor from the command", kExec, set_true<&Flags::close>),
    switch_of("reentrant", 0, "pass where an ancestor holds the lock", kExec, set_true<&Flags::reentrant>),
    switch_of("wait-tree", 0, "wait for the command's descendants too", kExec, set_true<&Flags::wait_tree>),
    switch_of("mine", 0, "release all of this user's holds of NAME", kRelease, set_true<&Flags::mine>),
    switch_of("force", 0, "break another's hold", kRelease, set_true<&Flags::force>),
    switch_of("yes", 0, "do not ask", kRelease, set_true<&Flags::yes>),
    switch_of("watch", 0, "redraw the table as things change", kStatus, set_true<&Flags::watch>),

    of_other_backends("url"),
    of_other_backends("token-file"),
    of_other_backends("cacert"),
    of_other_backends("cert"),
    of_other_backends("key"),
    of_other_backends("kubeconfig"),
    of_other_backends("context"),
    of_other_backends("namespace"),
    of_other_backends("resource"),
    of_other_backends("lease"),
    of_other_backends("endpoints"),
    of_other_backends("prefix"),
};

template <class Test>
const OptionSpec* find_where(Test test) {
  const auto* const found = std::find_if(kOptions.begin(), kOptions.end(), test);
  return found == kOptions.end() ? nullptr : found;
}

}  // namespace

std::span<const CommandSpec> command_table() {
  return kCommands;
}

std::string_view to_string(CommandKind kind) {
  const auto* const found =
      std::find_if(kCommands.begin(), kCommands.end(), [kind](const CommandSpec& c) { return c.kind == kind; });
  return found == kCommands.end() ? "" : found->name;
}

std::span<const OptionSpec> option_table() {
  return kOptions;
}

const OptionSpec* find_option(std::string_view name) {
  return find_where([name](const OptionSpec& option) { return option.name == name; });
}

const OptionSpec* find_option(char letter) {
  return find_where([letter](const OptionSpec& option) { return option.letter != 0 && option.letter == letter; });
}

}  // namespace lockgate
