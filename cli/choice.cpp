// SPDX-License-Identifier: Apache-2.0
#include "cli/choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/did_you_mean.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

struct Scheme {
  std::string_view name;
  BackendKind kind;
};
constexpr std::array<Scheme, 7> kSchemes = {{{"file", BackendKind::file},
                                             {"http", BackendKind::http},
                                             {"https", BackendKind::http},
                                             {"unix", BackendKind::http},
                                             {"k8s", BackendKind::k8s},
                                             {"k8s-lease", BackendKind::k8s},
                                             {"etcd", BackendKind::etcd}}};

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

Choice choose_url(Said said, const std::string& current_dir) {
  const std::string_view scheme = std::string_view(said.text).substr(0, said.text.find(':'));
  const auto* const known =
      std::find_if(kSchemes.begin(), kSchemes.end(), [scheme](const Scheme& s) { return s.name == scheme; });
  if (known == kSchemes.end()) {
    said.refuse("unknown kind of URL " + quote(said.text),
                "a backend URL begins file:///, http://, https://, unix:, k8s://, k8s-lease:// or etcd://");
  }
  Choice choice{.said = std::move(said), .kind = known->kind, .dir = {}, .url = {}};
  if (choice.kind == BackendKind::file) {
    choice.dir = {dir_of_url(choice.said), choice.said.origin};
  } else if (choice.kind == BackendKind::http) {
    choice.url = {checked_server_url(choice.said.text, choice.said, current_dir), choice.said.origin};
  }
  return choice;
}

std::optional<Setting<std::string>> text_in(const Profile& profile, std::string_view key) {
  const auto found = profile.text.find(key);
  return found == profile.text.end() ? std::nullopt : std::optional(found->second);
}

Choice choose_named(Said said, const std::string& current_dir, const std::optional<Config>& config) {
  if (said.text.empty()) {
    said.refuse("the backend is empty", "name a kind, a URL or a profile");
  }
  const bool is_socket = said.text.starts_with("unix:");
  if (!is_socket && has_credentials(said.text)) {
    said.refuse("a user or password in a URL is refused", "keep it in a file of its own that only you can read");
  }
  if (is_socket || said.text.starts_with("file:") || said.text.find("://") != std::string::npos) {
    return choose_url(std::move(said), current_dir);
  }
  if (const auto kind = parse_backend_kind(said.text)) {
    return {.said = std::move(said), .kind = *kind, .dir = {}, .url = {}};
  }
  std::vector<std::string> words(kBackendKinds.begin(), kBackendKinds.end());
  if (config) {
    const auto found = config->profiles.find(said.text);
    if (found != config->profiles.end()) {
      const Profile& profile = found->second;
      return {std::move(said), profile.kind.value, text_in(profile, "dir"), text_in(profile, "url"), &profile};
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

Choice choose_kind(BackendKind kind, Said::By by, std::string origin) {
  return {.said = {by, std::string(to_string(kind)), std::move(origin)}, .kind = kind, .dir = {}, .url = {}};
}

/// LOCKGATE_DIR and LOCKGATE_URL alone say what kind is meant, too; against what the configuration chooses.
std::optional<Choice> choose_by_place(const Surroundings& surroundings) {
  const bool dir = surroundings.get("LOCKGATE_DIR").has_value();
  const bool url = surroundings.get("LOCKGATE_URL").has_value();
  if (dir && url) {
    throw Error(ExitCode::config, "LOCKGATE_DIR and LOCKGATE_URL are two places",
                "say which is meant: LOCKGATE_BACKEND=file or LOCKGATE_BACKEND=http, or take one of them away");
  }
  return dir   ? std::optional(choose_kind(BackendKind::file, Said::By::variable, "LOCKGATE_DIR"))
         : url ? std::optional(choose_kind(BackendKind::http, Said::By::variable, "LOCKGATE_URL"))
               : std::nullopt;
}

}  // namespace

void Said::refuse(const std::string& what, std::string next_step) const {
  throw Error(by == By::flag ? ExitCode::usage : ExitCode::config, origin + ": " + what, std::move(next_step));
}

Choice choose_backend(const SettingsInput& input, const Surroundings& surroundings,
                      const std::optional<Config>& config) {
  if (input.dir && input.url) {
    throw Error(ExitCode::usage, "--dir and --url are two places", "give one of them");
  }
  if (input.backend) {
    return choose_named({Said::By::flag, *input.backend, "--backend"}, surroundings.current_dir, config);
  }
  if (input.dir) {
    return choose_kind(BackendKind::file, Said::By::flag, "--dir");
  }
  if (input.url) {
    return choose_kind(BackendKind::http, Said::By::flag, "--url");
  }
  if (auto text = surroundings.get("LOCKGATE_BACKEND")) {
    return choose_named({Said::By::variable, *std::move(text), "LOCKGATE_BACKEND"}, surroundings.current_dir, config);
  }
  std::optional<Choice> by_place = choose_by_place(surroundings);
  if (config && config->backend) {
    const Said said{Said::By::configuration, config->backend->value, config->backend->origin};
    Choice configured = choose_named(said, surroundings.current_dir, config);
    if (!by_place || by_place->kind == configured.kind) {
      return configured;
    }
  }
  return by_place ? *std::move(by_place) : choose_kind(BackendKind::file, Said::By::nobody, "default");
}

std::string checked_dir(const std::string& text, const Said& said, const std::string& current_dir) {
  if (text.empty()) {
    said.refuse("the directory is empty", "name a directory");
  }
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    said.refuse(fmt::format("the directory {} has a control character in it", quote(text)), "name another directory");
  }
  return absolute_path(text, current_dir);
}

}  // namespace lockgate
