// SPDX-License-Identifier: Apache-2.0
// What the tests of the settings share: a user, and what can be said on the command line.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "cli/settings.hpp"
#include "core/error.hpp"

namespace lockgate::settled {

/// A user with an environment, a current directory and perhaps a configuration.
class User {
 public:
  User() {
    surroundings_.variable = [this](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    };
    surroundings_.current_dir = "/home/ci/src";
    surroundings_.euid = 1000;
    surroundings_.system_config = "/nowhere/config.yaml";
    variables["HOME"] = "/home/me";
  }
  User(const User&) = delete;
  User& operator=(const User&) = delete;
  ~User() {
    std::error_code ignored;
    std::filesystem::remove(config_, ignored);
  }

  void configure(const std::string& content) {
    std::string name = "/tmp/lockgate-settings-XXXXXX";
    const int fd = ::mkstemp(name.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    std::ofstream(name) << content;
    config_ = name;
    variables["LOCKGATE_CONFIG"] = name;
  }
  void become_root() { surroundings_.euid = 0; }
  void lose_current_dir() { surroundings_.current_dir.clear(); }

  [[nodiscard]] Settings settings(const SettingsInput& input = {}) const {
    return resolve_settings(input, surroundings_);
  }
  /// "DIR by ORIGIN".
  [[nodiscard]] std::string dir(const SettingsInput& input = {}) const {
    const Settings found = settings(input);
    return found.dir.value + " by " + shorten(found.dir.origin);
  }
  /// The same of the lock server.
  [[nodiscard]] std::string url(const SettingsInput& input = {}) const {
    const Settings found = settings(input);
    CHECK(found.kind.value == BackendKind::http);
    return found.server.url.value + " by " + shorten(found.server.url.origin);
  }
  [[nodiscard]] std::string token(const SettingsInput& input = {}) const {
    const Settings found = settings(input);
    return found.server.token_file.value + " by " + shorten(found.server.token_file.origin);
  }
  /// "CODE MESSAGE | NEXT STEP", with the configuration as CONFIG.
  [[nodiscard]] std::string complaint(const SettingsInput& input = {}) const {
    try {
      return "no complaint, but " + dir(input);
    } catch (const Error& e) {
      return shorten(std::to_string(to_int(e.code())) + " " + e.what() + " | " + e.next_step());
    }
  }
  [[nodiscard]] std::string shorten(std::string text) const {
    if (const auto at = text.find(config_); !config_.empty() && at != std::string::npos) {
      text.replace(at, config_.size(), "CONFIG");
    }
    return text;
  }

  std::map<std::string, std::string> variables;

 private:
  Surroundings surroundings_;
  std::string config_;
};

inline SettingsInput backend(const std::string& text) {
  SettingsInput input;
  input.backend = text;
  return input;
}

inline SettingsInput dir_flag(const std::string& text) {
  SettingsInput input;
  input.dir = text;
  return input;
}

inline SettingsInput backend_and_dir(const std::string& text, const std::string& dir) {
  SettingsInput input = backend(text);
  input.dir = dir;
  return input;
}

inline constexpr auto kProfiles = R"(backends:
  local: {kind: file, dir: /profile, allow_insecure_dir: true}
  plain: {kind: file}
  ci: {kind: http, url: https://locks.example.com/, token_file: /ci/token, ca_file: /ci/ca.pem}
)";

inline SettingsInput url_flag(const std::string& text) {
  SettingsInput input;
  input.url = text;
  return input;
}

}  // namespace lockgate::settled
