// SPDX-License-Identifier: Apache-2.0
#include "core/child.hpp"

#include <unistd.h>

#include <cerrno>

#include "core/error.hpp"

namespace lockgate {

std::vector<char*> exec_words(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (const std::string& s : strings) {
    result.push_back(const_cast<char*>(s.c_str()));  // exec takes char* for history's sake and changes nothing
  }
  result.push_back(nullptr);
  return result;
}

bool command_gets(const Terminal& terminal) {
  // A script without job control starts its background jobs in its own group, with SIGINT ignored: there the terminal
  // stays with the script, for Ctrl-C is meant for that. A command that reads the terminal gets it then.
  return terminal.is_foreground(getpgrp()) && !is_ignored(SIGINT);
}

Started start(const Command& command, const Signals& signals, const Terminal& terminal) {
  const std::vector<char*> argv = exec_words(command.argv);
  const std::vector<char*> environment = exec_words(command.environment);
  const bool foreground = command_gets(terminal);
  volatile int error = 0;
  // vfork: a fork would copy page tables for nothing, and posix_spawn has no way to keep an ignored SIGCHLD. The child
  // shares our memory until exec, so it only makes system calls.
  const pid_t pid = vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork)
  if (pid == 0) {
    // NOLINTBEGIN(clang-analyzer-unix.Vfork): system calls are all that these are
    setpgid(0, 0);
    if (foreground) {
      // By the child, before it runs: a program that reads the terminal at once must already be allowed to.
      terminal.set_foreground(getpid());
    }
    signals.restore();
    // NOLINTEND(clang-analyzer-unix.Vfork)
    execvpe(argv[0], argv.data(), environment.data());
    error = errno;
    _exit(127);
  }
  if (pid < 0) {
    throw Error(ExitCode::internal, "cannot start a process: " + errno_text(errno),
                "too many processes, or too little memory; the command was not run");
  }
  return {pid, error};
}

}  // namespace lockgate
