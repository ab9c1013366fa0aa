// SPDX-License-Identifier: Apache-2.0
#include "backends/file/proc_locks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <tuple>

#include "backends/file/note.hpp"
#include "core/unique_fd.hpp"

namespace lockgate::file {
namespace {

std::string read_whole(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::optional<ProcLock> parse_line(const std::string& line) {
  // "1: FLOCK  ADVISORY  WRITE 1234 08:02:131 0 EOF", and with "->" after the number for one that waits.
  std::istringstream words(line);
  std::string number;
  std::string kind;
  std::string advisory;
  std::string access;
  std::string file;
  ProcLock lock;
  words >> number >> kind;
  if (kind == "->") {
    lock.role = ProcLock::Role::waits;
    words >> kind;
  }
  words >> advisory >> access >> lock.pid >> file;
  if (!words || kind != "FLOCK") {
    return std::nullopt;
  }
  lock.mode = access == "READ" ? Mode::shared : Mode::exclusive;
  unsigned long inode = 0;
  if (std::sscanf(file.c_str(), "%x:%x:%lu", &lock.file.major, &lock.file.minor, &inode) != 3) {
    return std::nullopt;
  }
  lock.file.inode = inode;
  return lock;
}

}  // namespace

std::vector<ProcLock> parse_proc_locks(std::string_view text) {
  std::vector<ProcLock> locks;
  std::set<std::tuple<pid_t, ino_t, unsigned, unsigned, ProcLock::Role, Mode>> seen;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const auto lock = parse_line(line);
    if (lock &&
        seen.emplace(lock->pid, lock->file.inode, lock->file.major, lock->file.minor, lock->role, lock->mode).second) {
      locks.push_back(*lock);
    }
  }
  return locks;
}

std::vector<ProcLock> read_proc_locks() {
  // An entry is passed over where one piece ends before it and the next begins behind it: so each time the pieces end
  // elsewhere. The first size is as good as all; what comes back in one piece then was given out at one stroke.
  constexpr std::array<std::size_t, 8> kSizes = {1U << 16, 3500, 2900, 2300, 1700, 3200, 2600, 2000};
  std::string text;
  std::vector<char> piece(kSizes[0]);
  for (const std::size_t most : kSizes) {
    const UniqueFd list(open("/proc/locks", O_RDONLY | O_CLOEXEC));
    int pieces = 0;
    for (ssize_t size = 0; (size = read(list.get(), piece.data(), most)) > 0; ++pieces) {
      text.append(piece.data(), static_cast<std::size_t>(size));
    }
    if (most == kSizes[0] && pieces <= 1) {
      break;
    }
  }
  return parse_proc_locks(text);
}

FileKey file_key(int fd, ino_t inode) {
  struct stat st {};
  fstat(fd, &st);
  FileKey key{major(st.st_dev), minor(st.st_dev), inode};
  std::istringstream info(read_whole(fmt::format("/proc/self/fdinfo/{}", fd)));
  std::string mount_id;
  for (std::string word; info >> word;) {
    if (word == "mnt_id:") {
      info >> mount_id;
    }
  }
  std::istringstream mounts(read_whole("/proc/self/mountinfo"));
  for (std::string line; !mount_id.empty() && std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string id;
    std::string parent;
    std::string device;
    words >> id >> parent >> device;
    if (id == mount_id && std::sscanf(device.c_str(), "%u:%u", &key.major, &key.minor) == 2) {
      break;
    }
  }
  return key;
}

FileKey key_of_open_file(int fd) {
  struct stat st {};
  fstat(fd, &st);
  return file_key(fd, st.st_ino);
}

bool sees_all_processes() {
  // The inode number that the kernel gives its first pid namespace, fixed in include/linux/proc_ns.h.
  constexpr std::uint64_t kFirstPidNamespace = 0xEFFFFFFC;
  return this_pid_namespace() == kFirstPidNamespace;
}

}  // namespace lockgate::file
