// SPDX-License-Identifier: Apache-2.0
#include "core/process.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "core/error.hpp"
#include "core/process_table.hpp"

namespace lockgate {

std::optional<Process> Process::find(pid_t pid, BootTime then) {
  // Debian 12's C library has no wrappers for these two calls yet.
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) {
    return std::nullopt;
  }
  const auto started = start_time(pid);
  Process process(std::move(fd));
  if (!started && !process.wait_until(BootTime())) {
    throw Error(ExitCode::unavailable, fmt::format("cannot tell what process {} is: /proc does not show it", pid),
                "mount /proc, or look at the process from where it is shown");
  }
  constexpr std::chrono::milliseconds kTick{10};
  if (!started || *started > then + kTick) {
    return std::nullopt;
  }
  return process;
}

int Process::signal(int number) const {
  return syscall(SYS_pidfd_send_signal, fd_.get(), number, nullptr, 0) == 0 ? 0 : errno;
}

bool Process::wait_until(BootTime until) const {
  pollfd ended{fd_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&ended, 1, poll_timeout(until, BootClock::now()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace lockgate
