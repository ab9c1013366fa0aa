// SPDX-License-Identifier: Apache-2.0
// The words of a command line sorted: which are options, which values of options, which names, and where COMMAND
// begins.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.hpp"

namespace lockgate {

/// One option as it was found, in the order of the command line.
struct Found {
  enum class Flaw { none, unknown, no_value, unwanted_value };
  std::string text;  // as it was written, without its value
  const OptionSpec* option = nullptr;
  Flaw flaw = Flaw::none;
  bool before_command = false;
};

struct Scanned {
  std::optional<CommandKind> command;
  std::optional<std::string> unknown_command;
  std::vector<Found> found;
  std::vector<std::string> option_words;  // for CLI11
  std::vector<std::string> names;
  std::vector<std::string> argv;
  bool dashes_first = false;  // "--" stood where a command was expected

  /// True if the option was found, anywhere and without a flaw.
  [[nodiscard]] bool asks_for(std::string_view option) const;
};

/// Sorts the words after the program's name. Never throws: what is wrong is noted, since a later --help wins over it.
Scanned scan_words(std::vector<std::string> words);

}  // namespace lockgate
