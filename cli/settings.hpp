// SPDX-License-Identifier: Apache-2.0
// What holds for this run, and who said so: flag, then environment variable, then configuration, then default.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/duration.hpp"
#include "core/exit_code.hpp"

namespace lockgate {

/// A value and who said it: "--dir", "LOCKGATE_DIR", "/etc/lockgate/config.yaml:3:8", "default".
template <class T>
struct Setting {
  T value{};
  std::string origin;
};

/// How long to wait for a lock.
struct Timeout {
  std::optional<Duration> limit;  // empty: for as long as it takes; zero: not at all

  friend bool operator==(const Timeout&, const Timeout&) = default;
};

enum class BackendKind { file, http, k8s, etcd };

constexpr std::array<std::string_view, 4> kBackendKinds = {"file", "http", "k8s", "etcd"};  // in that order

constexpr std::string_view to_string(BackendKind kind) {
  return kBackendKinds[static_cast<std::size_t>(kind)];
}

constexpr std::optional<BackendKind> parse_backend_kind(std::string_view text) {
  for (std::size_t i = 0; i < kBackendKinds.size(); ++i) {
    if (kBackendKinds[i] == text) {
      return static_cast<BackendKind>(i);
    }
  }
  return std::nullopt;
}

/// What settings depend on besides the command line. Tests make their own.
struct Surroundings {
  std::function<const char*(const char* name)> variable;  // nullptr: not set
  std::string current_dir;                                // empty where it cannot be told
  uid_t euid = 0;
  std::string system_config = "/etc/lockgate/config.yaml";

  static Surroundings of_this_process();

  /// Empty where the variable is not set, and where it is set to nothing.
  [[nodiscard]] std::optional<std::string> get(const char* name) const {
    const char* const value = variable(name);
    return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
  }
  /// The XDG base directory that `name` overrides and that is `below_home` otherwise; empty without a home.
  /// A relative one is passed over, as the specification of these variables demands.
  [[nodiscard]] std::optional<std::string> base_dir(const char* name, std::string_view below_home) const {
    if (auto base = get(name); base && base->starts_with('/')) {
      return base;
    }
    const auto home = get("HOME");
    return home && home->starts_with('/') ? std::optional(*home + std::string(below_home)) : std::nullopt;
  }
};

/// The options of the command line that have a say; empty where they were not given.
struct SettingsInput {
  std::optional<std::string> backend;
  std::optional<std::string> config;
  std::optional<std::string> dir;
  bool allow_insecure_dir = false;
  std::optional<std::string> url;
  std::optional<std::string> token_file;
  std::optional<std::string> ca_file;
  std::optional<std::string> cert_file;
  std::optional<std::string> key_file;
  std::optional<Timeout> timeout;
  std::optional<Duration> ttl;
  std::optional<Duration> kill_after;
  std::optional<int> conflict_exit_code;
  std::optional<std::string> color;
  std::optional<std::string> on_lost;
};

/// A lock server, and as whom to go there. The files of a profile are for that profile's URL alone.
struct ServerSettings {
  Setting<std::string> url;         // http://HOST[:PORT][/PREFIX], https://..., unix:/PATH; no slash at its end
  Setting<std::string> token_file;  // absolute paths; empty: none
  Setting<std::string> ca_file;
  Setting<std::string> cert_file;
  Setting<std::string> key_file;
};

struct Settings {
  Setting<BackendKind> kind;         // the origin is that of the choice
  Setting<std::string> backend;      // the choice as it was said: a kind, a URL or a profile; "file" by default
  Setting<std::string> dir;          // kind file: absolute
  Setting<bool> allow_insecure_dir;  // a profile's permission is for that profile's directory alone
  ServerSettings server;             // kind http
  Setting<Timeout> timeout;
  Setting<Duration> ttl;
  Setting<Duration> kill_after;
  Setting<int> conflict_exit_code;
  Setting<std::string> color;
  Setting<std::string> on_lost;
  std::optional<std::string> config_file;  // the one that was read
  std::vector<std::string> profile_names;  // in it
  /// A line for each value that was said and has no meaning for this backend; shown at -v.
  std::vector<std::string> passed_over;
};

/// Throws Error(usage) for what is wrong on the command line, and Error(config) for what is wrong in a variable or in
/// the configuration, for a backend that this build does not have, and where no directory can be told.
Settings resolve_settings(const SettingsInput& input, const Surroundings& surroundings);

/// "none", or a duration. Empty for anything else.
inline std::optional<Timeout> parse_timeout(std::string_view text) {
  const auto limit = parse_duration(text);
  return text == "none" ? std::optional(Timeout{}) : limit ? std::optional(Timeout{limit}) : std::nullopt;
}

/// A timeout, a duration or a lease length that a variable or the configuration says.
/// They throw Error(config) beginning "ORIGIN: ".
Timeout timeout_from(std::string_view text, const std::string& origin);
Duration duration_from(std::string_view text, const std::string& origin);
Duration ttl_from(std::string_view text, const std::string& origin);

constexpr Duration kShortestTtl = std::chrono::seconds(2);
constexpr Duration kLongestTtl = std::chrono::hours(1);

/// Throws Error(code) beginning "ORIGIN: " for a lease that is too short to be renewed in time, or too long.
void check_ttl(Duration ttl, const std::string& origin, ExitCode code);

/// `path` from `current_dir` on, without doubled or trailing slashes and "." parts; ".." stays, for symbolic links.
/// Throws Error(config) for a relative path where there is no `current_dir`.
std::string absolute_path(std::string_view path, std::string_view current_dir);

/// True where a URL names a user or password. Such a text must not come into any message.
bool has_credentials(std::string_view url);

}  // namespace lockgate
