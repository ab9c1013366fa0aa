// SPDX-License-Identifier: Apache-2.0
// The configuration file: where it is looked for, what may stand in it, and where in it each value was said.
// Whatever is wrong in it is Error(config) beginning "FILE:LINE:COLUMN: ", counted from 1, columns in bytes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/settings.hpp"

namespace lockgate {

/// One entry of `backends`. Every kind is checked, also those that a build does not have.
struct Profile {
  Setting<BackendKind> kind;
  std::optional<Setting<bool>> allow_insecure_dir;
  std::vector<Setting<std::string>> endpoints;                    // etcd
  std::map<std::string, Setting<std::string>, std::less<>> text;  // all other keys by name; paths are absolute
};

/// `defaults`: what holds where the command line and the environment say nothing.
struct ConfiguredDefaults {
  std::optional<Setting<Duration>> ttl;  // kShortestTtl to kLongestTtl
  std::optional<Setting<Timeout>> timeout;
  std::optional<Setting<Duration>> kill_after;
  std::optional<Setting<int>> conflict_exit_code;  // 0 to 255
  std::optional<Setting<std::string>> color;       // auto, always, never
  std::optional<Setting<std::string>> on_lost;     // terminate, continue
};

struct Config {
  std::string file;  // as it was named
  std::optional<Setting<std::string>> backend;
  ConfiguredDefaults defaults;
  std::map<std::string, Profile, std::less<>> profiles;
};

/// Reads the first that exists of `named` (--config), $LOCKGATE_CONFIG, the user's and the system's file; empty if
/// there is none. One that was named must exist; one that exists must be readable and right: Error(config).
/// Blocks for the reading of a regular file and for nothing else.
std::optional<Config> load_config(const std::optional<std::string>& named, const Surroundings& surroundings);

}  // namespace lockgate
