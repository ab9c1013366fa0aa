// SPDX-License-Identifier: Apache-2.0
// From argv to what was asked for.
#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"

namespace lockgate {

/// A command line that keeps all the rules which can be told from the command line alone. Whether a name is a lock
/// name is for LockName to say.
struct CommandLine {
  CommandKind command = CommandKind::overview;
  std::string program_help;  // help, version, overview: the text to print
  Flags flags;
  std::vector<std::string> names;  // most commands: one; status, watch: any number; complete: what is wanted
  std::vector<std::string> argv;   // exec: COMMAND ARG...; empty with --shell
};

/// Throws Error(usage), which names the option or word, and says what is accepted and where the help is. Help and
/// version win over whatever else is wrong.
///
/// For `exec` the options end at `--` or at the first word after NAME, and the rest belongs to COMMAND; the other
/// commands take options and names in any order, up to `--`.
CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace lockgate
