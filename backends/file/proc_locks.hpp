// SPDX-License-Identifier: Apache-2.0
// The kernel's own list of flock(2) locks and of who waits for them: the only place that knows foreign programs.
// It shows only processes of this pid namespace and those below it.
#pragma once

#include <sys/types.h>

#include <string_view>
#include <vector>

#include "core/lock.hpp"

namespace lockgate::file {

/// A file as the kernel's list names it.
struct FileKey {
  unsigned major = 0;
  unsigned minor = 0;
  ino_t inode = 0;
  friend bool operator==(const FileKey&, const FileKey&) = default;
};

struct ProcLock {
  enum class Role { holds, waits };
  Role role = Role::holds;
  Mode mode = Mode::exclusive;
  pid_t pid = 0;  // the process that took it, which may have ended since
  FileKey file;
};

/// The flock(2) lines of a text in the format of /proc/locks, each once, in its order, which is the order of the
/// queues.
std::vector<ProcLock> parse_proc_locks(std::string_view text);

/// What /proc/locks says now; empty where there is none. Where the list is long it is read several times: the kernel
/// gives it out a page at a time, and what comes and goes meanwhile makes it pass entries over, or say them twice. A
/// lock that was held during all of that is there; one that was given back meanwhile may be.
std::vector<ProcLock> read_proc_locks();

/// The device number under which /proc/locks names files that lie where `fd` does. Not always st_dev: overlay and
/// btrfs show others there.
FileKey file_key(int fd, ino_t inode);

/// The same for an open file itself.
FileKey key_of_open_file(int fd);

/// True where no process can be hidden from this one: in the first pid namespace, with /proc mounted.
bool sees_all_processes();

}  // namespace lockgate::file
