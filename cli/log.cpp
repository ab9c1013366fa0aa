// SPDX-License-Identifier: Apache-2.0
#include "cli/log.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string_view>

#include "core/signals.hpp"

namespace lockgate {
namespace {

/// 0, or the errno value of the write that failed.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) {
      return errno;
    }
    text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
  }
  return 0;
}

}  // namespace

void Log::error(const std::string& text) const {
  write(Level::quiet, text);
}

void Log::error(const Error& error) const {
  this->error(error.what());
  if (!error.next_step().empty()) {
    this->error(error.next_step());
  }
}

void Log::say(const std::string& text) const {
  write(Level::normal, text);
}
void Log::verbose(const std::string& text) const {
  write(Level::verbose, text);
}
void Log::debug(const std::string& text) const {
  write(Level::debug, text);
}

void Log::write(Level at_least, const std::string& text) const {
  if (level_ >= at_least) {
    // A log that cannot be written is no reason to fail: nobody could be told.
    write_all(STDERR_FILENO, "lockgate: " + text + "\n");
  }
}

void print(const std::string& text) {
  if (const int error = write_all(STDOUT_FILENO, text); error != 0) {
    struct sigaction pipe {};
    sigaction(SIGPIPE, nullptr, &pipe);
    if (error == EPIPE && pipe.sa_handler == SIG_DFL) {
      die_of(SIGPIPE);  // `lockgate status | head`: nobody reads on, which is no fault
    }
    throw Error(ExitCode::io_error, "cannot write to standard output: " + errno_text(error));
  }
}

}  // namespace lockgate
