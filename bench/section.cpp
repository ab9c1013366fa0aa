// SPDX-License-Identifier: Apache-2.0
// The command that the benchmark runs under each lock, linked statically so that it starts at next to no cost:
//   section LOG               takes two stamps, start and end, and appends them to LOG as one record
//   section LOG FIFO          the same, but does not end before the other side of FIFO is closed
//   section --floor LOCK CMD  the least that a locking tool can do: open, flock, exec, without a process of its own
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace {

std::int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

int floor_tool(char** arguments) {
  const int lock = open(arguments[0], O_RDONLY | O_CREAT, 0666);
  if (lock < 0 || flock(lock, LOCK_EX) != 0) {
    return 73;
  }
  execv(arguments[1], arguments + 1);
  return 127;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 4 && std::strcmp(argv[1], "--floor") == 0) {
    return floor_tool(argv + 2);
  }
  if (argc < 2) {
    return 64;
  }
  const int log = open(argv[1], O_WRONLY | O_APPEND | O_CLOEXEC);
  std::int64_t record[2] = {now(), 0};
  if (argc > 2) {
    const int gate = open(argv[2], O_RDONLY | O_CLOEXEC);  // until the benchmark opens its side
    char byte = 0;
    while (read(gate, &byte, 1) > 0) {
    }
  }
  record[1] = now();
  return write(log, record, sizeof record) == static_cast<ssize_t>(sizeof record) ? 0 : 74;
}
