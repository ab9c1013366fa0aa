// SPDX-License-Identifier: Apache-2.0
// From bytes to a checked Config in three steps: find and read the file, parse it into a small tree that keeps the
// place of everything, check the tree key by key. The parser is fed only when there is a file: most runs have none.
#include "cli/config.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "cli/choice.hpp"
#include "cli/config_tree.hpp"
#include "cli/did_you_mean.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {
namespace {

using configuration::parse;
using configuration::shown;
using configuration::Source;
using configuration::TreeNode;

constexpr std::size_t kMaxFile = 1 << 20;

// ---- the check

/// What may stand in a profile of one kind, besides `kind` and what take_value() knows by name.
struct ProfileKeys {
  BackendKind kind;
  std::vector<std::string> special;
  std::vector<std::string> paths;
  std::vector<std::string> texts;
};

const ProfileKeys& keys_of(BackendKind kind) {
  static const std::array<ProfileKeys, 4> kKeys = {{
      {BackendKind::file, {"kind", "allow_insecure_dir"}, {"dir"}, {}},
      {BackendKind::http, {"kind", "url"}, {"token_file", "ca_file", "cert_file", "key_file"}, {}},
      {BackendKind::k8s, {"kind", "mode"}, {"kubeconfig"}, {"namespace", "resource", "context"}},
      {BackendKind::etcd,
       {"kind", "endpoints"},
       {"ca_file", "cert_file", "key_file", "password_file"},
       {"prefix", "user"}},
  }};
  return *std::find_if(kKeys.begin(), kKeys.end(), [kind](const ProfileKeys& keys) { return keys.kind == kind; });
}

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_number(const std::string& text) {
  double number = 0;
  const bool begins_so = text.find_first_of("0123456789") < 2;  // not "inf" and "nan": these are good names
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return begins_so && error == std::errc{} && end == text.data() + text.size();
}

std::string describe(const TreeNode& node) {
  switch (node.type) {
    case TreeNode::Type::nothing:
      return "nothing";
    case TreeNode::Type::list:
      return "a list";
    case TreeNode::Type::map:
      return "a map";
    case TreeNode::Type::text:
      break;
  }
  return (!node.quoted && is_number(node.text) ? "the number " : "") + shown(node.text);
}

/// Fills a Config from the tree, key by key.
class Checker {
 public:
  Checker(const Source& source, const Surroundings& surroundings) : source_(source), surroundings_(surroundings) {}

  Config check(const TreeNode& root) {
    for_members(root, [this](const TreeNode& key, const TreeNode& value) {
      if (key.text == "backend") {
        config_.backend = at(value, url(value, "the name of a profile, a kind or a URL"));
      } else if (key.text == "defaults") {
        for_members(value, [this](const TreeNode& k, const TreeNode& v) { take_default(k, v); });
      } else if (key.text == "backends") {
        for_members(value, [this](const TreeNode& k, const TreeNode& v) { take_profile(k, v); });
      } else {
        unknown_key(key, "the configuration", {"backend", "defaults", "backends"});
      }
    });
    return std::move(config_);
  }

 private:
  template <class Visit>
  void for_members(const TreeNode& node, Visit visit) const {
    if (node.type == TreeNode::Type::nothing) {
      return;  // a section whose lines are all commented out
    }
    if (node.type != TreeNode::Type::map) {
      wrong_type(node, "a map (key: value)");
    }
    for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
      visit(node.children[i], node.children[i + 1]);
    }
  }

  [[noreturn]] void wrong_type(const TreeNode& node, std::string_view expected) const {
    source_.refuse(node, fmt::format("expected {}, found {}", expected, describe(node)));
  }

  [[noreturn]] void unknown_key(const TreeNode& key, const std::string& where,
                                const std::vector<std::string>& valid) const {
    const std::string hint = did_you_mean(key.text, valid);
    source_.refuse(key, fmt::format("unknown key {} in {}{}", shown(key.text), where, hint),
                   hint.empty() ? fmt::format("valid there: {}", fmt::join(valid, ", ")) : "");
  }

  template <class T>
  Setting<T> at(const TreeNode& node, T value) const {
    return {std::move(value), source_.place(node)};
  }

  [[nodiscard]] std::string text(const TreeNode& node, std::string_view expected) const {
    const bool other = !node.quoted && (is_number(node.text) || node.text == "true" || node.text == "false");
    if (node.type == TreeNode::Type::text && other) {
      source_.refuse(node, fmt::format("expected {}, found {}", expected, describe(node)),
                     "put it in quotes if it is meant");
    }
    if (node.type != TreeNode::Type::text || node.text.empty()) {
      wrong_type(node, expected);
    }
    if (const auto flaw = find_flaw(node.text)) {
      source_.refuse(node, fmt::format("expected {}, found {} in it", expected, flaw->what));
    }
    return node.text;
  }

  [[nodiscard]] std::string url(const TreeNode& node, std::string_view expected) const {
    if (node.type == TreeNode::Type::text && has_credentials(node.text)) {
      source_.refuse(node, "a user or password in a URL is refused",
                     "keep it in a file of its own that only you can read");
    }
    return text(node, expected);
  }

  [[nodiscard]] std::string http_url(const TreeNode& node) const {
    const bool is_socket = node.text.starts_with("unix:");
    const std::string found = is_socket ? text(node, "a URL") : url(node, "a URL");
    if (found.find("://") == std::string::npos && !is_socket) {
      wrong_type(node, "a URL such as https://locks.example.com");
    }
    if (const std::string flaw = flaw_of_server_url(found); !flaw.empty()) {
      source_.refuse(node, fmt::format("the URL {} {}", shown(found), flaw),
                     "https://locks.example.com, http://127.0.0.1:55589 and unix:/PATH are such URLs");
    }
    return tidy_server_url(found, source_.folder);
  }

  [[nodiscard]] std::string path(const TreeNode& node) const {
    const std::string found = text(node, "a path");
    if (!found.starts_with('~')) {
      return absolute_path(found, source_.folder);
    }
    const auto home = surroundings_.get("HOME");
    if (found != "~" && !found.starts_with("~/")) {
      source_.refuse(node, shown(found) + ": the home of another user cannot be named so",
                     "write the path out, or begin it with ./");
    }
    if (!home || !home->starts_with('/')) {
      source_.refuse(node, shown(found) + ": HOME does not name a directory", "set HOME, or write the path out");
    }
    return absolute_path(*home + found.substr(1), "");
  }

  [[nodiscard]] bool boolean(const TreeNode& node) const {
    if (node.type != TreeNode::Type::text || node.quoted || (node.text != "true" && node.text != "false")) {
      wrong_type(node, "true or false");
    }
    return node.text == "true";
  }

  [[nodiscard]] std::string one_of(const TreeNode& node, const std::vector<std::string>& choices) const {
    if (node.type != TreeNode::Type::text || !contains(choices, node.text)) {
      source_.refuse(node, fmt::format("expected one of {}, found {}{}", fmt::join(choices, ", "), describe(node),
                                       did_you_mean(node.text, choices)));
    }
    return node.text;
  }

  [[nodiscard]] int exit_code(const TreeNode& node) const {
    int number = -1;
    const char* const end = node.text.data() + node.text.size();
    const auto parsed = std::from_chars(node.text.data(), end, number);
    if (node.quoted || parsed.ec != std::errc{} || parsed.ptr != end || number < 0 || number > 255) {
      wrong_type(node, "a number from 0 to 255");
    }
    return number;
  }

  /// The text of a duration: unlike other texts it may look like a number.
  [[nodiscard]] const std::string& duration_text(const TreeNode& node) const {
    if (node.type != TreeNode::Type::text) {
      wrong_type(node, "a duration such as 10s");
    }
    return node.text;
  }

  void take_default(const TreeNode& key, const TreeNode& value) {
    ConfiguredDefaults& defaults = config_.defaults;
    if (key.text == "ttl") {
      defaults.ttl = at(value, ttl_from(duration_text(value), source_.place(value)));
    } else if (key.text == "timeout") {
      defaults.timeout = at(value, timeout_from(duration_text(value), source_.place(value)));
    } else if (key.text == "kill_after") {
      defaults.kill_after = at(value, duration_from(duration_text(value), source_.place(value)));
    } else if (key.text == "conflict_exit_code") {
      defaults.conflict_exit_code = at(value, exit_code(value));
    } else if (key.text == "color") {
      defaults.color = at(value, one_of(value, {"auto", "always", "never"}));
    } else if (key.text == "on_lost") {
      defaults.on_lost = at(value, one_of(value, {"terminate", "continue"}));
    } else {
      unknown_key(key, "defaults", {"ttl", "timeout", "kill_after", "conflict_exit_code", "color", "on_lost"});
    }
  }

  void check_profile_name(const TreeNode& name) const {
    const bool plain = name.text.find_first_not_of(
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == std::string::npos;
    if (!plain || name.text.empty() || name.text.size() > 64) {
      source_.refuse(name, shown(name.text) + " is no name for a profile",
                     "1 to 64 letters, digits, dots, underscores and dashes");
    }
    if (parse_backend_kind(name.text)) {
      source_.refuse(name, shown(name.text) + " is a kind of backend and cannot name a profile",
                     "give the profile another name");
    }
  }

  [[nodiscard]] Setting<BackendKind> kind_of(const TreeNode& name, const TreeNode& profile) const {
    std::optional<Setting<BackendKind>> kind;
    for_members(profile, [&](const TreeNode& key, const TreeNode& value) {
      if (key.text == "kind") {
        kind = at(value, *parse_backend_kind(one_of(value, {"file", "http", "k8s", "etcd"})));
      }
    });
    if (!kind) {
      source_.refuse(name, fmt::format("profile {} does not say its kind", shown(name.text)),
                     "add kind: file, http, k8s or etcd");
    }
    return *kind;
  }

  void take_profile(const TreeNode& name, const TreeNode& value) {
    check_profile_name(name);
    Profile profile;
    profile.kind = kind_of(name, value);
    for_members(value, [&](const TreeNode& k, const TreeNode& v) { take_value(profile, k, v); });
    config_.profiles.emplace(name.text, std::move(profile));
  }

  void take_value(Profile& profile, const TreeNode& key, const TreeNode& value) const {
    const ProfileKeys& keys = keys_of(profile.kind.value);
    if (contains(keys.paths, key.text)) {
      profile.text[key.text] = at(value, path(value));
    } else if (contains(keys.texts, key.text)) {
      profile.text[key.text] = at(value, text(value, "a text"));
    } else if (!contains(keys.special, key.text)) {
      std::vector<std::string> valid = keys.special;
      valid.insert(valid.end(), keys.paths.begin(), keys.paths.end());
      valid.insert(valid.end(), keys.texts.begin(), keys.texts.end());
      unknown_key(key, fmt::format("a profile of kind {}", to_string(profile.kind.value)), valid);
    } else if (key.text == "allow_insecure_dir") {
      profile.allow_insecure_dir = at(value, boolean(value));
    } else if (key.text == "url") {
      profile.text["url"] = at(value, http_url(value));
    } else if (key.text == "mode") {
      profile.text["mode"] = at(value, one_of(value, {"annotations", "lease"}));
    } else if (key.text == "endpoints") {
      take_endpoints(profile, value);
    }
  }

  void take_endpoints(Profile& profile, const TreeNode& value) const {
    if (value.type == TreeNode::Type::text) {
      profile.endpoints.push_back(at(value, url(value, "an endpoint")));
      return;
    }
    if (value.type != TreeNode::Type::list || value.children.empty()) {
      wrong_type(value, "a list of endpoints");
    }
    for (const TreeNode& endpoint : value.children) {
      profile.endpoints.push_back(at(endpoint, url(endpoint, "an endpoint")));
    }
  }

  const Source& source_;
  const Surroundings& surroundings_;
  Config config_;
};

// ---- the file

/// Its content; empty where there is no such file.
std::optional<std::string> read_file(const std::string& file, const std::string& path) {
  const auto refuse = [&](const std::string& why, std::string next_step = {}) {
    throw Error(ExitCode::config, fmt::format("cannot read the configuration {}: {}", quote(file), why),
                std::move(next_step));
  };
  // O_NONBLOCK: a FIFO would otherwise keep us here until somebody writes to it.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return std::nullopt;
    }
    refuse(errno_text(errno), "make it readable for you, or name another one with --config");
  }
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    refuse("it is not a regular file");
  }
  std::string content(static_cast<std::size_t>(std::clamp<off_t>(status.st_size, 0, kMaxFile)) + 1, '\0');
  std::size_t length = 0;
  // One byte more than the file has: its end is then seen without another round, and growth is noticed.
  for (ssize_t got = 1; got != 0 && length < content.size();) {
    got = ::read(fd.get(), content.data() + length, content.size() - length);
    if (got < 0) {
      refuse(errno_text(errno));
    }
    length += static_cast<std::size_t>(got);
  }
  if (length > kMaxFile) {
    refuse("it is larger than 1 MiB");
  }
  content.resize(length);
  return content;
}

/// `file` as it was named. Empty where it does not exist.
std::optional<Config> load(const std::string& file, const Surroundings& surroundings) {
  const std::string path = absolute_path(file, surroundings.current_dir);
  const auto content = read_file(file, path);
  if (!content) {
    return std::nullopt;
  }
  const Source source{printable(file), path.substr(0, std::max<std::size_t>(path.rfind('/'), 1))};
  Config config = Checker(source, surroundings).check(parse(*content, source));
  config.file = file;
  return config;
}

Config load_named(const std::string& file, const char* by, const Surroundings& surroundings) {
  auto config = load(file, surroundings);
  if (!config) {
    throw Error(ExitCode::config, fmt::format("{}: there is no configuration {}", by, quote(file)));
  }
  return *std::move(config);
}

}  // namespace

std::optional<Config> load_config(const std::optional<std::string>& named, const Surroundings& surroundings) {
  if (named) {
    return load_named(*named, "--config", surroundings);
  }
  if (const auto file = surroundings.get("LOCKGATE_CONFIG")) {
    return load_named(*file, "LOCKGATE_CONFIG", surroundings);
  }
  if (const auto base = surroundings.base_dir("XDG_CONFIG_HOME", "/.config")) {
    if (auto config = load(*base + "/lockgate/config.yaml", surroundings)) {
      return config;
    }
  }
  return load(surroundings.system_config, surroundings);
}

}  // namespace lockgate
