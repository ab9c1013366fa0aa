// SPDX-License-Identifier: Apache-2.0
#include "core/boot_timer.hpp"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "core/error.hpp"

namespace lockgate {

UniqueFd open_boot_timer() {
  UniqueFd timer(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) {
    throw Error(ExitCode::internal, "cannot make a timer: " + errno_text(errno));
  }
  return timer;
}

void set_boot_timer(const UniqueFd& timer, BootTime when) {
  // Zero would switch it off.
  const auto nanoseconds = std::max<std::int64_t>(when.time_since_epoch().count(), 1);
  itimerspec spec{};
  spec.it_value.tv_sec = nanoseconds / 1'000'000'000;
  spec.it_value.tv_nsec = nanoseconds % 1'000'000'000;
  ::timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

}  // namespace lockgate
