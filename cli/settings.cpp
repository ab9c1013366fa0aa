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

#include "cli/config.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

constexpr Duration kDefaultTtl = std::chrono::seconds(15);
constexpr Duration kDefaultKillAfter = std::chrono::seconds(4);
constexpr auto kDurationLook = "a duration looks like 250ms, 10s, 1m30s or 2h, or is a bare number of seconds";

struct Scheme {
  std::string_view name;
  BackendKind kind;
};
constexpr std::array<Scheme, 6> kSchemes = {{{"file", BackendKind::file},
                                             {"http", BackendKind::http},
                                             {"https", BackendKind::http},
                                             {"k8s", BackendKind::k8s},
                                             {"k8s-lease", BackendKind::k8s},
                                             {"etcd", BackendKind::etcd}}};

// ---- near words

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

/// Edits of one letter, or swaps of two neighbours, from `a` to `b`.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last;
  std::vector<std::size_t> last(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::vector<std::size_t> row(b.size() + 1, i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = std::exchange(last, std::move(row));
  }
  return last.back();
}

// ---- the choice

/// A word about the backend, and how much it weighs.
struct Said {
  enum class By { flag, variable, configuration, nobody };
  By by = By::nobody;
  std::string text;
  std::string origin;

  [[noreturn]] void refuse(const std::string& what, std::string next_step) const {
    throw Error(by == By::flag ? ExitCode::usage : ExitCode::config, origin + ": " + what, std::move(next_step));
  }
};

struct Choice {
  Said said;
  BackendKind kind = BackendKind::file;
  std::optional<Setting<std::string>> dir;  // that the URL or the profile names
  const Profile* profile = nullptr;         // of the Config
};

std::string checked_dir(const std::string& text, const Said& said, const std::string& current_dir) {
  if (text.empty()) {
    said.refuse("the directory is empty", "name a directory");
  }
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    said.refuse(fmt::format("the directory {} has a control character in it", quote(text)), "name another directory");
  }
  return absolute_path(text, current_dir);
}

/// The directory of file:///DIR, file:/DIR and file://localhost/DIR.
std::string dir_of_url(const Said& said) {
  constexpr auto kLook = "a file URL looks like file:///var/lock/myapp";
  std::string_view rest = std::string_view(said.text).substr(std::string_view("file:").size());
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::string_view host = rest.substr(0, rest.find('/'));
    if (!host.empty() && host != "localhost") {
      said.refuse(fmt::format("{} names the host {}", quote(said.text), quote(host)), kLook);
    }
    rest.remove_prefix(host.size());
  }
  if (!rest.starts_with('/')) {
    said.refuse(quote(said.text) + " has no absolute path", kLook);
  }
  if (rest.find_first_of("?#") != std::string_view::npos) {
    said.refuse(quote(said.text) + " has more than a path", "write %3F for ? and %23 for #");
  }
  const auto decoded = percent_decode(rest);
  if (!decoded) {
    said.refuse(quote(said.text) + " has a % without two hexadecimal digits", "write %25 for %");
  }
  return checked_dir(*decoded, said, "");
}

Choice choose_url(Said said) {
  const std::string_view scheme = std::string_view(said.text).substr(0, said.text.find(':'));
  const auto* const known =
      std::find_if(kSchemes.begin(), kSchemes.end(), [scheme](const Scheme& s) { return s.name == scheme; });
  if (known == kSchemes.end()) {
    said.refuse("unknown kind of URL " + quote(said.text),
                "a backend URL begins file:///, http://, https://, k8s://, k8s-lease:// or etcd://");
  }
  std::optional<Setting<std::string>> dir;
  if (known->kind == BackendKind::file) {
    dir = {dir_of_url(said), said.origin};
  }
  return {std::move(said), known->kind, std::move(dir), nullptr};
}

Choice choose_named(Said said, const std::optional<Config>& config) {
  if (said.text.empty()) {
    said.refuse("the backend is empty", "name a kind, a URL or a profile");
  }
  if (has_credentials(said.text)) {
    said.refuse("a user or password in a URL is refused", "keep it in a file of its own that only you can read");
  }
  if (said.text.starts_with("file:") || said.text.find("://") != std::string::npos) {
    return choose_url(std::move(said));
  }
  if (const auto kind = parse_backend_kind(said.text)) {
    return {std::move(said), *kind, std::nullopt, nullptr};
  }
  std::vector<std::string> words(kBackendKinds.begin(), kBackendKinds.end());
  if (config) {
    const auto found = config->profiles.find(said.text);
    if (found != config->profiles.end()) {
      const auto dir = found->second.text.find("dir");
      const bool has_dir = dir != found->second.text.end();
      return {std::move(said), found->second.kind.value, has_dir ? std::optional(dir->second) : std::nullopt,
              &found->second};
    }
    for (const auto& [name, profile] : config->profiles) {
      words.push_back(name);
    }
  }
  const std::string hint = did_you_mean(said.text, words);
  said.refuse(fmt::format("unknown backend {}{}", quote(said.text), hint),
              fmt::format("known here: {}{}", fmt::join(words, ", "),
                          config ? "" : "; there is no configuration, and so no profile"));
}

Choice choose(const SettingsInput& input, const Surroundings& surroundings, const std::optional<Config>& config) {
  if (input.backend) {
    return choose_named({Said::By::flag, *input.backend, "--backend"}, config);
  }
  if (input.dir) {
    return {{Said::By::flag, "file", "--dir"}, BackendKind::file, std::nullopt, nullptr};
  }
  if (auto text = surroundings.get("LOCKGATE_BACKEND")) {
    return choose_named({Said::By::variable, *std::move(text), "LOCKGATE_BACKEND"}, config);
  }
  if (surroundings.get("LOCKGATE_URL")) {
    return {{Said::By::variable, "http", "LOCKGATE_URL"}, BackendKind::http, std::nullopt, nullptr};
  }
  if (config && config->backend) {
    return choose_named({Said::By::configuration, config->backend->value, config->backend->origin}, config);
  }
  return {{Said::By::nobody, "file", "default"}, BackendKind::file, std::nullopt, nullptr};
}

[[noreturn]] void refuse_kind(const Choice& choice) {
  const std::string profile = choice.profile == nullptr ? "" : fmt::format(", {}", choice.profile->kind.origin);
  throw Error(ExitCode::config,
              fmt::format("this build has no {} backend (asked for by {}: {}{})", to_string(choice.kind),
                          choice.said.origin, quote(choice.said.text), profile),
              "use files: -b file, or --dir DIR");
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
  const bool place_was_asked_for = choice.said.by == Said::By::flag || choice.said.by == Said::By::variable;
  if (choice.dir && place_was_asked_for) {
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
  const auto first = [](auto said, const auto& in_file, auto fallback) {
    return said ? *said : in_file ? *in_file : decltype(fallback){fallback};
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
  const Choice choice = choose(input, surroundings, config);
  if (choice.kind != BackendKind::file) {
    refuse_kind(choice);
  }
  Settings settings;
  settings.kind = {choice.kind, choice.said.origin};
  settings.backend = {choice.said.text, choice.said.origin};
  settings.dir = resolve_dir(choice, input, surroundings);
  settings.allow_insecure_dir = resolve_permission(choice, input, settings.dir.origin);
  resolve_options(settings, input, surroundings, config ? config->defaults : ConfiguredDefaults{});
  if (config) {
    settings.config_file = config->file;
    for (const auto& [name, profile] : config->profiles) {
      settings.profile_names.push_back(name);
    }
  }
  if (settings.ttl.origin != "default") {
    settings.passed_over.push_back(
        fmt::format("ttl {} ({}) has no meaning for files", format_duration(settings.ttl.value), settings.ttl.origin));
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

std::string did_you_mean(std::string_view word, const std::vector<std::string>& choices) {
  constexpr std::size_t kLongestWord = 100;
  const std::string mistyped = lower(word.substr(0, kLongestWord));
  std::string nearest;
  std::size_t least = kLongestWord;
  for (const std::string& choice : choices) {
    const std::size_t edits = distance(mistyped, lower(choice));
    // A third of the letters: "tll" is near to "ttl", "dir" is not near to "url".
    if (edits < least && edits * 3 <= std::max(mistyped.size(), choice.size())) {
      least = edits;
      nearest = choice;
    }
  }
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", quote(nearest));
}

}  // namespace lockgate
