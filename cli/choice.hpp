// SPDX-License-Identifier: Apache-2.0
// Which backend is meant: the words that were said about it, by whom, and the place that they name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/config.hpp"
#include "cli/settings.hpp"

namespace lockgate {

/// A word about the backend, and how much it weighs.
struct Said {
  enum class By { flag, variable, configuration, nobody };
  By by = By::nobody;
  std::string text;
  std::string origin;

  /// Throws Error(usage or config) beginning "ORIGIN: ".
  [[noreturn]] void refuse(const std::string& what, std::string next_step) const;
};

struct Choice {
  Said said;
  BackendKind kind = BackendKind::file;
  std::optional<Setting<std::string>> dir;  // that the URL or the profile names
  std::optional<Setting<std::string>> url;  // the same for a lock server
  const Profile* profile = nullptr;         // of the Config, which outlives this

  /// A flag or LOCKGATE_BACKEND chose: the place that it names is meant, whatever other variables say.
  [[nodiscard]] bool was_asked_for() const { return said.by == Said::By::flag || said.by == Said::By::variable; }
};

/// Throws Error(usage or config) for words that name no backend, and for two that name different ones.
Choice choose_backend(const SettingsInput& input, const Surroundings& surroundings,
                      const std::optional<Config>& config);

/// `text` as an absolute directory. Throws as Said::refuse does.
std::string checked_dir(const std::string& text, const Said& said, const std::string& current_dir);

/// What is wrong with the URL of a lock server, to be read after it ("has no host"), or nothing. Right are
/// http://HOST[:PORT][/PREFIX], the same with https, and unix:PATH. Not for texts with a user or password.
std::string flaw_of_server_url(std::string_view url);

/// A URL without flaw in the one way in which it is written: no slash at its end, the path of a socket absolute.
std::string tidy_server_url(std::string_view url, std::string_view current_dir);

/// `url` of a lock server, tidy. Throws as Said::refuse does; a user or password is not repeated.
std::string checked_server_url(const std::string& url, const Said& said, const std::string& current_dir);

}  // namespace lockgate
