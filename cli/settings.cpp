// SPDX-License-Identifier: Apache-2.0
// The choice of a backend and a directory, and the small readers of values that it shares with the configuration.
// What decides where a lock lies is never guessed: two who ask in the same words must meet at the same lock.
#include "cli/settings.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "cli/choice.hpp"
#include "cli/config.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

constexpr Duration kDefaultTtl = std::chrono::seconds(15);
constexpr Duration kDefaultKillAfter = std::chrono::seconds(4);
constexpr auto kDurationLook = "a duration looks like 250ms, 10s, 1m30s or 2h, or is a bare number of seconds";

// ---- the choice

[[noreturn]] void refuse_kind(const Choice& choice) {
  const std::string profile = choice.profile == nullptr ? "" : fmt::format(", {}", choice.profile->kind.origin);
  throw Error(ExitCode::config,
              fmt::format("this build has no {} backend (asked for by {}: {}{})", to_string(choice.kind),
                          choice.said.origin, quote(choice.said.text), profile),
              "use files (-b file, or --dir DIR) or a lock server (-b http, or --url URL)");
}

/// What was said for another kind of place than the chosen one would be lost: then another lock might be meant.
void refuse_foreign(const Choice& choice, const SettingsInput& input) {
  const auto refuse = [&choice](std::string_view option, std::string_view place, std::string_view instead) {
    const std::string chosen = choice.said.by == Said::By::nobody
                                   ? "and the locks are files here, by default"
                                   : fmt::format("and {} says {}", choice.said.origin, quote(choice.said.text));
    throw Error(ExitCode::usage, fmt::format("{} is about {}, {}", option, place, chosen),
                fmt::format("leave it away, or choose with {}", instead));
  };
  if (choice.kind == BackendKind::http && input.dir) {
    refuse("--dir", "lock files", "-b file");
  }
  if (choice.kind != BackendKind::file) {
    return;
  }
  if (input.url) {
    refuse("--url", "a lock server", "-b http");
  }
  for (const auto& [option, value] : {std::pair("--token-file", &input.token_file),
                                      {"--cacert", &input.ca_file},
                                      {"--cert", &input.cert_file},
                                      {"--key", &input.key_file}}) {
    if (*value) {
      refuse(option, "a lock server", "--url URL or -b http");
    }
  }
}

// ---- the directory

Setting<std::string> default_dir(const Surroundings& surroundings) {
  if (surroundings.euid == 0) {
    return {"/var/lock/lockgate", "default"};
  }
  const auto base = surroundings.base_dir("XDG_STATE_HOME", "/.local/state");
  if (!base) {
    throw Error(ExitCode::config, "no HOME to keep the locks in", "give --dir DIR or set LOCKGATE_DIR");
  }
  return {absolute_path(*base + "/lockgate", ""), "default"};
}

Setting<std::string> resolve_dir(const Choice& choice, const SettingsInput& input, const Surroundings& surroundings) {
  if (input.dir) {
    const std::string dir = checked_dir(*input.dir, {Said::By::flag, "", "--dir"}, surroundings.current_dir);
    if (choice.dir && choice.profile == nullptr && choice.dir->value != dir) {
      throw Error(ExitCode::usage,
                  fmt::format("--backend {} and --dir {} are two places", quote(choice.said.text), quote(*input.dir)),
                  "give one of them");
    }
    return {dir, "--dir"};
  }
  // A flag or LOCKGATE_BACKEND that names a place means that place, whatever LOCKGATE_DIR says for other calls.
  if (choice.dir && choice.was_asked_for()) {
    return *choice.dir;
  }
  if (const auto dir = surroundings.get("LOCKGATE_DIR")) {
    const Said said{Said::By::variable, "", "LOCKGATE_DIR"};
    return {checked_dir(*dir, said, surroundings.current_dir), "LOCKGATE_DIR"};
  }
  return choice.dir ? *choice.dir : default_dir(surroundings);
}

Setting<bool> resolve_permission(const Choice& choice, const SettingsInput& input, const std::string& dir_origin) {
  if (input.allow_insecure_dir) {
    return {true, "--allow-insecure-dir"};
  }
  const std::string own_dir = choice.dir ? choice.dir->origin : "default";
  if (choice.profile != nullptr && choice.profile->allow_insecure_dir && dir_origin == own_dir) {
    return *choice.profile->allow_insecure_dir;
  }
  return {false, "default"};
}

// ---- the lock server

constexpr auto kDefaultUrl = "http://127.0.0.1:55589";

Setting<std::string> resolve_url(const Choice& choice, const SettingsInput& input, const Surroundings& surroundings) {
  if (input.url) {
    const std::string url = checked_server_url(*input.url, {Said::By::flag, "", "--url"}, surroundings.current_dir);
    if (choice.url && choice.profile == nullptr && choice.url->value != url) {
      throw Error(ExitCode::usage,
                  fmt::format("--backend {} and --url {} are two places", quote(choice.said.text), quote(*input.url)),
                  "give one of them");
    }
    return {url, "--url"};
  }
  if (choice.url && choice.was_asked_for()) {
    return *choice.url;
  }
  if (const auto url = surroundings.get("LOCKGATE_URL")) {
    const Said said{Said::By::variable, "", "LOCKGATE_URL"};
    return {checked_server_url(*url, said, surroundings.current_dir), "LOCKGATE_URL"};
  }
  return choice.url ? *choice.url : Setting<std::string>{kDefaultUrl, "default"};
}

/// The files of one way to a lock server, and where each can be said.
struct ServerFile {
  std::optional<std::string> SettingsInput::*flag;
  Setting<std::string> ServerSettings::*setting;
  const char* option;
  const char* variable;  // null: none
  std::string_view key;
};
constexpr std::array<ServerFile, 4> kServerFiles = {
    {{&SettingsInput::token_file, &ServerSettings::token_file, "--token-file", "LOCKGATE_TOKEN_FILE", "token_file"},
     {&SettingsInput::ca_file, &ServerSettings::ca_file, "--cacert", nullptr, "ca_file"},
     {&SettingsInput::cert_file, &ServerSettings::cert_file, "--cert", nullptr, "cert_file"},
     {&SettingsInput::key_file, &ServerSettings::key_file, "--key", nullptr, "key_file"}}};

/// What the profile says of `file`; empty, and told in `passed_over`, where the URL is another than the profile's own:
/// a token must not go to a server that it was not meant for.
std::optional<Setting<std::string>> file_in_profile(const Choice& choice, const ServerFile& file, Settings& settings) {
  if (choice.profile == nullptr || !choice.profile->text.contains(file.key)) {
    return std::nullopt;
  }
  const Setting<std::string>& said = choice.profile->text.find(file.key)->second;
  const std::string& url_by = settings.server.url.origin;
  if (url_by == (choice.url ? choice.url->origin : "default")) {
    return said;
  }
  settings.passed_over.push_back(
      fmt::format("{} ({}) is for the profile's own URL, not for that of {}", file.key, said.origin, url_by));
  return std::nullopt;
}

Setting<std::string> resolve_server_file(const Choice& choice, const SettingsInput& input,
                                         const Surroundings& surroundings, const ServerFile& file, Settings& settings) {
  if (const auto& flag = input.*file.flag) {
    if (flag->empty()) {
      throw Error(ExitCode::usage, fmt::format("{}: the path is empty", file.option), "name a file");
    }
    return {absolute_path(*flag, surroundings.current_dir), file.option};
  }
  const auto in_profile = file_in_profile(choice, file, settings);
  if (in_profile && choice.was_asked_for()) {
    return *in_profile;
  }
  const auto variable = file.variable == nullptr ? std::nullopt : surroundings.get(file.variable);
  if (variable) {
    return {absolute_path(*variable, surroundings.current_dir), file.variable};
  }
  return in_profile.value_or(Setting<std::string>{"", "default"});
}

void resolve_server(Settings& settings, const Choice& choice, const SettingsInput& input,
                    const Surroundings& surroundings) {
  settings.server.url = resolve_url(choice, input, surroundings);
  for (const ServerFile& file : kServerFiles) {
    settings.server.*file.setting = resolve_server_file(choice, input, surroundings, file, settings);
  }
  const auto& cert = settings.server.cert_file;
  const auto& key = settings.server.key_file;
  if (cert.value.empty() != key.value.empty()) {
    const bool has_cert = !cert.value.empty();
    const std::string& by = has_cert ? cert.origin : key.origin;
    throw Error(by.starts_with("--") ? ExitCode::usage : ExitCode::config,
                fmt::format("{}: a client's certificate and its key belong together, and the {} is missing", by,
                            has_cert ? "key" : "certificate"),
                "give both: --cert FILE --key FILE, or cert_file and key_file in the profile");
  }
}

// ---- everything else

template <class T>
std::optional<Setting<T>> from_flag(const std::optional<T>& value, const char* flag) {
  return value ? std::optional(Setting<T>{*value, flag}) : std::nullopt;
}

template <class T>
std::optional<Setting<T>> from_variable(const Surroundings& surroundings, const char* name,
                                        T (*read)(std::string_view, const std::string&)) {
  const auto text = surroundings.get(name);
  return text ? std::optional(Setting<T>{read(*text, name), name}) : std::nullopt;
}

void resolve_options(Settings& settings, const SettingsInput& input, const Surroundings& surroundings,
                     const ConfiguredDefaults& configured) {
  const auto first = [](const auto& said, const auto& in_file, const auto& fallback) {
    return said ? *said : in_file ? *in_file : fallback;
  };
  auto ttl = from_flag(input.ttl, "--ttl");
  if (ttl) {
    check_ttl(ttl->value, ttl->origin, ExitCode::usage);
  } else {
    ttl = from_variable(surroundings, "LOCKGATE_TTL", ttl_from);
  }
  auto timeout = from_flag(input.timeout, "--timeout");
  if (!timeout) {
    timeout = from_variable(surroundings, "LOCKGATE_TIMEOUT", timeout_from);
  }
  settings.ttl = first(ttl, configured.ttl, Setting<Duration>{kDefaultTtl, "default"});
  settings.timeout = first(timeout, configured.timeout, Setting<Timeout>{{}, "default"});
  settings.kill_after = first(from_flag(input.kill_after, "--kill-after"), configured.kill_after,
                              Setting<Duration>{kDefaultKillAfter, "default"});
  settings.conflict_exit_code =
      first(from_flag(input.conflict_exit_code, "--conflict-exit-code"), configured.conflict_exit_code,
            Setting<int>{to_int(ExitCode::conflict), "default"});
  settings.color = first(from_flag(input.color, "--color"), configured.color, Setting<std::string>{"auto", "default"});
  settings.on_lost =
      first(from_flag(input.on_lost, "--on-lost"), configured.on_lost, Setting<std::string>{"terminate", "default"});
}

}  // namespace

Settings resolve_settings(const SettingsInput& input, const Surroundings& surroundings) {
  const std::optional<Config> config = load_config(input.config, surroundings);
  const Choice choice = choose_backend(input, surroundings, config);
  if (choice.kind != BackendKind::file && choice.kind != BackendKind::http) {
    refuse_kind(choice);
  }
  refuse_foreign(choice, input);
  Settings settings;
  settings.kind = {choice.kind, choice.said.origin};
  settings.backend = {choice.said.text, choice.said.origin};
  if (choice.kind == BackendKind::file) {
    settings.dir = resolve_dir(choice, input, surroundings);
    settings.allow_insecure_dir = resolve_permission(choice, input, settings.dir.origin);
  } else {
    resolve_server(settings, choice, input, surroundings);
  }
  resolve_options(settings, input, surroundings, config ? config->defaults : ConfiguredDefaults{});
  if (config) {
    settings.config_file = config->file;
    for (const auto& [name, profile] : config->profiles) {
      settings.profile_names.push_back(name);
    }
  }
  if (choice.kind == BackendKind::file && settings.ttl.origin != "default") {
    settings.passed_over.push_back(
        fmt::format("ttl {} ({}) has no meaning for files", format_duration(settings.ttl.value), settings.ttl.origin));
  }
  if (choice.kind == BackendKind::http && input.allow_insecure_dir) {
    settings.passed_over.emplace_back("--allow-insecure-dir has no meaning for a lock server");
  }
  return settings;
}

Surroundings Surroundings::of_this_process() {
  Surroundings surroundings;
  surroundings.variable = [](const char* name) { return std::getenv(name); };
  const std::unique_ptr<char, void (*)(void*)> dir(::getcwd(nullptr, 0), std::free);
  surroundings.current_dir = dir ? dir.get() : "";
  surroundings.euid = ::geteuid();
  return surroundings;
}

Timeout timeout_from(std::string_view text, const std::string& origin) {
  const auto timeout = parse_timeout(text);
  if (!timeout) {
    throw Error(ExitCode::config, fmt::format("{}: {} is neither a duration nor \"none\"", origin, quote(text)),
                kDurationLook);
  }
  return *timeout;
}

Duration duration_from(std::string_view text, const std::string& origin) {
  const auto duration = parse_duration(text);
  if (!duration) {
    throw Error(ExitCode::config, fmt::format("{}: {} is no duration", origin, quote(text)), kDurationLook);
  }
  return *duration;
}

Duration ttl_from(std::string_view text, const std::string& origin) {
  const Duration ttl = duration_from(text, origin);
  check_ttl(ttl, origin, ExitCode::config);
  return ttl;
}

void check_ttl(Duration ttl, const std::string& origin, ExitCode code) {
  if (ttl < kShortestTtl || ttl > kLongestTtl) {
    throw Error(
        code,
        fmt::format("{}: a lease of {} is too {}", origin, format_duration(ttl), ttl < kShortestTtl ? "short" : "long"),
        "a ttl is 2s to 1h");
  }
}

std::string absolute_path(std::string_view path, std::string_view current_dir) {
  const bool relative = !path.starts_with('/');
  if (relative && current_dir.empty()) {
    throw Error(ExitCode::config, fmt::format("{} is relative, and the current directory cannot be told", quote(path)),
                "write a path that begins with /");
  }
  std::string absolute;
  for (std::string_view rest : {relative ? current_dir : std::string_view(), path}) {
    while (!rest.empty()) {
      const std::string_view part = rest.substr(0, rest.find('/'));
      rest.remove_prefix(std::min(part.size() + 1, rest.size()));
      if (!part.empty() && part != ".") {
        absolute.append("/").append(part);
      }
    }
  }
  return absolute.empty() ? "/" : absolute;
}

bool has_credentials(std::string_view url) {
  // Anywhere: a password may hold a slash, and what looks like the path may be the rest of it. The path of a file
  // URL has no such neighbours.
  if (url.starts_with("file:")) {
    url.remove_prefix(std::min(url.size(), url.starts_with("file://") ? std::size_t{7} : url.size()));
    url = url.substr(0, url.find('/'));
  }
  return url.find('@') != std::string_view::npos;
}

}  // namespace lockgate
