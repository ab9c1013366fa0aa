// SPDX-License-Identifier: Apache-2.0
// Starting the command.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "core/signals.hpp"
#include "core/terminal.hpp"

namespace lockgate {

/// What to run. The first word is looked up in PATH.
struct Command {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // NAME=value, whole
};

/// `strings` as exec takes them, valid as long as they are.
std::vector<char*> exec_words(const std::vector<std::string>& strings);

/// True if a command started now is to be in the foreground of `terminal`: this process's group is, and SIGINT is not
/// ignored.
bool command_gets(const Terminal& terminal);

/// A command that runs, or why it does not.
struct Started {
  pid_t pid = 0;
  int error = 0;  // of exec, an errno value; 0: it runs
};

/// Starts `command` in a process group of its own, with the signals as they were before lockgate, and in the
/// foreground of `terminal` if that is for the command. Returns once the program runs
/// or has failed to. Throws Error(internal) where no process can be made.
Started start(const Command& command, const Signals& signals, const Terminal& terminal);

}  // namespace lockgate
