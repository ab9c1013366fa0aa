// SPDX-License-Identifier: Apache-2.0
#include "core/terminal.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace lockgate {

Terminal Terminal::open() {
  Terminal terminal;
  // Not standard input: that may be a pipe while Ctrl-C still comes from the terminal.
  terminal.fd_.reset(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  termios settings{};
  if (terminal.fd_ && tcgetattr(terminal.fd_.get(), &settings) == 0) {
    terminal.settings_ = settings;
  }
  return terminal;
}

bool Terminal::is_foreground(pid_t group) const {
  return fd_ && tcgetpgrp(fd_.get()) == group;
}

void Terminal::set_foreground(pid_t group) const {
  if (fd_) {
    tcsetpgrp(fd_.get(), group);
  }
}

void Terminal::restore_settings() const {
  if (settings_) {
    tcsetattr(fd_.get(), TCSANOW, &*settings_);
  }
}

}  // namespace lockgate
