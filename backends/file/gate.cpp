// SPDX-License-Identifier: Apache-2.0
#include "backends/file/gate.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "backends/file/proc_locks.hpp"

namespace lockgate::file {
namespace {

constexpr std::chrono::seconds kPatience{2};

/// The first byte of the gate file: writers share a read lock on it, a reader that gets a write lock may pass.
int set(int fd, int command, short type) {
  struct flock byte {};
  byte.l_type = type;
  byte.l_whence = SEEK_SET;
  byte.l_len = 1;
  return fcntl(fd, command, &byte) == 0 ? 0 : errno;
}

struct Queue {
  bool held_by_writer = false;
  bool writer_waits = false;
};

Queue queue_at(const UniqueFd& lock_fd) {
  const FileKey lock = key_of_open_file(lock_fd.get());
  Queue queue;
  for (const ProcLock& entry : read_proc_locks()) {
    if (entry.file == lock && entry.mode == Mode::exclusive) {
      (entry.role == ProcLock::Role::holds ? queue.held_by_writer : queue.writer_waits) = true;
    }
  }
  return queue;
}

}  // namespace

Gate::Gate(Notebook& notebook, Mode mode)
    : fd_(notebook.open_gate(mode == Mode::exclusive ? IfMissing::create : IfMissing::leave)) {
}

void Gate::shut(KernelWait& wait) {
  // Hardly ever is a reader about to pass: then nobody needs to look at the clock.
  if (fd_ && set(fd_.get(), F_OFD_SETLK, F_RDLCK) != 0) {
    wait.block([fd = fd_.get()] { return set(fd, F_OFD_SETLKW, F_RDLCK); }, BootClock::now() + kPatience);
  }
}

void Gate::open() {
  if (fd_) {
    set(fd_.get(), F_OFD_SETLK, F_UNLCK);
  }
}

bool Gate::is_shut() const {
  struct flock byte {};
  byte.l_type = F_WRLCK;
  byte.l_whence = SEEK_SET;
  byte.l_len = 1;
  return fd_ && fcntl(fd_.get(), F_OFD_GETLK, &byte) == 0 && byte.l_type == F_RDLCK;
}

bool Gate::would_overtake(const UniqueFd& lock_fd) const {
  if (!is_shut()) {
    return false;
  }
  const Queue queue = queue_at(lock_fd);
  return queue.writer_waits && !queue.held_by_writer;
}

void Gate::pass(KernelWait& wait, const UniqueFd& lock_fd) {
  for (bool first = true; is_shut() && wait.verdict() == WaitVerdict::go_on; first = false) {
    const Queue queue = queue_at(lock_fd);
    if (queue.held_by_writer) {
      return;  // then the kernel's own queue is fair to everyone
    }
    if (!first && !queue.writer_waits) {
      return;  // whoever shut the gate was stopped, and is out of the queue; or cannot be seen from here
    }
    wait.block([fd = fd_.get()] { return set(fd, F_OFD_SETLKW, F_WRLCK); }, BootClock::now() + kPatience);
    open();
  }
}

}  // namespace lockgate::file
