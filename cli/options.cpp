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
                                                    {"renew", CommandKind::renew},
                                                    {"status", CommandKind::status},
                                                    {"get", CommandKind::get},
                                                    {"set", CommandKind::set},
                                                    {"watch", CommandKind::watch},
                                                    {"serve", CommandKind::serve},
                                                    {"doctor", CommandKind::doctor},
                                                    {"__complete", CommandKind::complete}}};

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

/// A limit: a number that is not 0.
template <auto Member>
std::string set_limit(Flags& flags, const std::string& text) {
  flags.*Member = parse_number<std::size_t>(text);
  return flags.*Member && *(flags.*Member) > 0 ? "" : "is not a number greater than 0";
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
  return flaw_of_value(text);
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

std::string set_handle(Flags& flags, const std::string& text) {
  flags.handle = text;
  return text.empty() ? "is empty" : flaw_of_line(text, kMaxId);
}

std::string add_name_prefix(Flags& flags, const std::string& text) {
  flags.name_prefixes.push_back(text);
  return text.empty() ? "is empty" : flaw_of_line(text, kMaxId);
}

std::string set_until(Flags& flags, const std::string& text) {
  constexpr std::string_view kValue = "value=";
  flags.until = text;
  if (text.starts_with(kValue)) {
    return flaw_of_value(text.substr(kValue.size()));
  }
  return text == "held" || text == "free" ? "" : "is none of held, free, value=TEXT";
}

std::string set_max_ttl(Flags& flags, const std::string& text) {
  flags.max_ttl = parse_duration(text);
  if (!flags.max_ttl) {
    return fmt::format("is no duration; {}", kDurationLook);
  }
  return *flags.max_ttl < kShortestTtl || *flags.max_ttl > kLongestTtl ? "is not between 2s and 1h" : "";
}

std::string set_log_format(Flags& flags, const std::string& text) {
  flags.log_format = text;
  return text == "text" || text == "json" ? "" : "is neither text nor json";
}

std::string set_token_name(Flags& flags, const std::string& text) {
  constexpr auto kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  flags.token_name = text;
  return text.empty() || text.size() > 64 || text.find_first_not_of(kAllowed) != std::string::npos
             ? "is no name for a token; it has 1 to 64 letters, digits, dots, underscores and dashes"
             : "";
}

std::string set_token_role(Flags& flags, const std::string& text) {
  flags.token_role = text;
  return text == "read" || text == "lock" || text == "admin" ? "" : "is none of read, lock, admin";
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
constexpr unsigned kRenew = bit(CommandKind::renew);
constexpr unsigned kGet = bit(CommandKind::get);
constexpr unsigned kSet = bit(CommandKind::set);
constexpr unsigned kWatch = bit(CommandKind::watch);
constexpr unsigned kServe = bit(CommandKind::serve);
constexpr unsigned kDoctor = bit(CommandKind::doctor);
constexpr unsigned kTake = kExec | kAcquire;
/// All that go to a backend.
constexpr unsigned kPlaced = kTake | kRelease | kRenew | kStatus | kGet | kSet | kWatch | kDoctor |
                             bit(CommandKind::complete) | bit(CommandKind::help);
constexpr unsigned kAll = kPlaced | kServe;
constexpr unsigned kJson = kStatus | kGet | kWatch | kDoctor;

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
constexpr OptionSpec place_of(std::string_view name, char letter, std::string_view placeholder, std::string_view help,
                              SetFlag set) {
  return {name, letter, placeholder, help, kPlaced, kGlobal, set};
}
constexpr OptionSpec of_missing(std::string_view backend, std::string_view name) {
  return {name, 0, "TEXT", backend, 0, kGlobal, nullptr};
}

constexpr std::array kOptions = {
    place_of("backend", 'b', "BACKEND", "kind, URL or profile", set_text<&Flags::backend>),
    place_of("config", 0, "FILE", "the configuration file", set_text<&Flags::config>),
    place_of("dir", 0, "DIR", "where the lock files are", set_text<&Flags::dir>),
    place_of("allow-insecure-dir", 0, "", "use DIR even if strangers could tamper with it",
             set_true<&Flags::allow_insecure_dir>),
    place_of("url", 0, "URL", "of the lock server", set_text<&Flags::url>),
    place_of("token-file", 0, "FILE", "the token for the lock server", set_text<&Flags::token_file>),
    place_of("cacert", 0, "FILE", "certificates of the authorities to trust", set_text<&Flags::ca_file>),
    place_of("cert", 0, "FILE", "the client's certificate", set_text<&Flags::cert_file>),
    place_of("key", 0, "FILE", "the key of the client's certificate", set_text<&Flags::key_file>),
    place_of("color", 0, "WHEN", "auto, always or never", set_color),
    OptionSpec{"quiet", 'q', "", "say nothing but errors", kAll, kGlobal, set_true<&Flags::quiet>},
    OptionSpec{"verbose", 'v', "", "say more; twice: still more", kAll, kGlobal, set_verbose},
    OptionSpec{"json", 0, "", "print JSON", kJson, kGlobal, set_true<&Flags::json>},
    OptionSpec{"version", 0, "", "print the version", kAll, kGlobal, set_nothing},
    OptionSpec{"help", 'h', "", "print help", kAll, kGlobal, set_nothing},

    switch_of("shared", 's', "share the lock with other shared holders", kTake, set_mode<Mode::shared>),
    switch_of("exclusive", 'x', "have the lock alone (the default)", kTake, set_mode<Mode::exclusive>),
    switch_of("nonblock", 'n', "do not wait", kTake, set_true<&Flags::nonblock>),
    value_of("timeout", 'w', "D", "wait at most D", kTake, set_timeout),
    value_of("conflict-exit-code", 'E', "N", "exit status where the lock was not had", kTake, set_conflict_exit_code),
    value_of("ttl", 0, "D", "lease length", kTake, set_ttl),
    value_of("value", 0, "TEXT", "publish TEXT with the lock", kTake, set_value),
    value_of("reason", 0, "TEXT", "publish why the lock is held", kTake, set_reason),
    value_of("id", 0, "ID", "the acquirer's id", kTake, set_id),
    switch_of("publish-command", 0, "publish the whole command line", kTake, set_true<&Flags::publish_command>),
    switch_of("path", 0, "NAME is the file or directory to lock", kTake | kRelease | kStatus | kGet,
              set_true<&Flags::path>),
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

    switch_of("keep", 0, "renew until stopped, or until the hold is gone", kRenew, set_true<&Flags::keep>),
    value_of("handle", 0, "HANDLE", "of the hold", kSet, set_handle),
    value_of("name-prefix", 0, "P", "locks whose names begin with P; may be repeated", kWatch | kServe,
             add_name_prefix),

    value_of("until", 0, "STATE", "end when NAME is held, free, or has value=TEXT", kWatch, set_until),

    value_of("listen", 0, "WHERE", "ADDR:PORT or unix:PATH", kServe, set_text<&Flags::listen>),
    value_of("store", 0, "STORE", "sqlite:PATH or memory", kServe, set_text<&Flags::store>),
    value_of("tls-cert", 0, "FILE", "the server's certificate", kServe, set_text<&Flags::tls_cert>),
    value_of("tls-key", 0, "FILE", "the key of that certificate", kServe, set_text<&Flags::tls_key>),
    value_of("client-ca", 0, "FILE", "who signs the certificates that clients must have", kServe,
             set_text<&Flags::client_ca>),
    value_of("tokens", 0, "FILE", "who may do what", kServe, set_text<&Flags::tokens>),
    switch_of("insecure", 0, "let strangers in, without encryption", kServe, set_true<&Flags::insecure>),
    value_of("max-ttl", 0, "D", "the longest lease", kServe, set_max_ttl),
    switch_of("no-restart-grace", 0, "grant at once after a restart", kServe, set_true<&Flags::no_restart_grace>),
    value_of("max-body", 0, "N", "bytes of one request", kServe, set_limit<&Flags::max_body>),
    value_of("max-connections", 0, "N", "connections in all", kServe, set_limit<&Flags::max_connections>),
    value_of("max-connections-per-address", 0, "N", "connections from one address", kServe,
             set_limit<&Flags::max_connections_per_address>),
    value_of("max-waiters", 0, "N", "who may wait for one lock", kServe, set_limit<&Flags::max_waiters>),
    value_of("max-locks", 0, "N", "locks held or waited for", kServe, set_limit<&Flags::max_locks>),
    value_of("log-format", 0, "FORMAT", "text or json", kServe, set_log_format),
    switch_of("new-token", 0, "make a token and run no server", kServe, set_true<&Flags::new_token>),
    value_of("name", 0, "NAME", "of the new token", kServe, set_token_name),
    value_of("role", 0, "ROLE", "of the new token: read, lock or admin", kServe, set_token_role),

    of_missing("k8s", "kubeconfig"),
    of_missing("k8s", "context"),
    of_missing("k8s", "namespace"),
    of_missing("k8s", "resource"),
    of_missing("k8s", "lease"),
    of_missing("etcd", "endpoints"),
    of_missing("etcd", "prefix"),
};

template <class Test>
const OptionSpec* find_where(Test test) {
  const auto* const found = std::find_if(kOptions.begin(), kOptions.end(), test);
  return found == kOptions.end() ? nullptr : found;
}

}  // namespace

std::string flaw_of_value(const std::string& text) {
  if (text.size() > kMaxValue) {
    return fmt::format("has {} bytes; a value has at most {}", text.size(), kMaxValue);
  }
  // Control characters are no flaw here: a value may have lines.
  for (std::size_t at = 0; const auto flaw = find_flaw(std::string_view(text).substr(at));) {
    at += flaw->offset;
    if (flaw->what.ends_with("UTF-8")) {
      return fmt::format("has {} at byte {}; a value is UTF-8", flaw->what, at);
    }
    at += static_cast<unsigned char>(text[at]) < 0x80 ? 1 : 2;
  }
  return "";
}

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
