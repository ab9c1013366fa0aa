// SPDX-License-Identifier: Apache-2.0
// A wall clock that is wrong, for a program that preloads this (LD_PRELOAD): by as many seconds as the file says whose
// name is in WALL_CLOCK, now. All other clocks, and timers on them, are the machine's: faketime(1) shifts those of a
// timerfd as well, and then shows what no clock that is set anew does.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

namespace {

time_t seconds_wrong() {
  const int error = errno;
  const char* path = std::getenv("WALL_CLOCK");
  const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  char text[32] = {};
  time_t wrong = 0;
  if (fd >= 0) {
    if (read(fd, text, sizeof text - 1) > 0) {
      wrong = std::strtol(text, nullptr, 10);
    }
    close(fd);
  }
  errno = error;
  return wrong;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    now->tv_sec += seconds_wrong();
  }
  return result;
}

int gettimeofday(timeval* now, void* /*zone*/) noexcept {
  timespec exact{};
  clock_gettime(CLOCK_REALTIME, &exact);
  *now = {exact.tv_sec, static_cast<suseconds_t>(exact.tv_nsec / 1000)};
  return 0;
}

time_t time(time_t* now) noexcept {
  timespec exact{};
  clock_gettime(CLOCK_REALTIME, &exact);
  if (now != nullptr) {
    *now = exact.tv_sec;
  }
  return exact.tv_sec;
}
}
