// SPDX-License-Identifier: Apache-2.0
#include "backends/file/marks.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

namespace lockgate::file {
namespace {

constexpr std::int64_t kHeld = std::int64_t{1} << 62;
constexpr std::int64_t kWaiting = std::int64_t{1} << 61;

struct flock byte_range(short type, std::int64_t start, std::int64_t length) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = start;
  range.l_len = length;
  return range;
}

void set(int fd, short type, std::int64_t start, std::int64_t length = 1) {
  struct flock range = byte_range(type, start, length);
  // Non-blocking: only a foreign program with a write lock there could be in the way, and it is not worth a wait.
  fcntl(fd, F_OFD_SETLK, &range);
}

bool is_set(int fd, std::int64_t byte) {
  struct flock range = byte_range(F_WRLCK, byte, 1);
  return fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

std::int64_t holder_byte(std::uint64_t id, Mode mode) {
  return kHeld + 2 + 2 * static_cast<std::int64_t>(id) + (mode == Mode::shared ? 1 : 0);
}

std::int64_t waiter_byte(std::uint64_t id) {
  return kWaiting + 2 * static_cast<std::int64_t>(id);
}

}  // namespace

Marks marks_supported(int fd) {
  constexpr unsigned kCifs = 0xFF534D42;
  constexpr unsigned kSmb2 = 0xFE534D42;
  struct statfs fs {};
  if (fstatfs(fd, &fs) != 0) {
    return Marks::unsupported;
  }
  switch (static_cast<unsigned>(fs.f_type)) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case kCifs:
    case kSmb2:
    case CEPH_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
      return Marks::unsupported;
    default:
      return Marks::supported;
  }
}

void mark_holder(int fd, std::uint64_t id, Mode mode) {
  set(fd, F_RDLCK, kHeld);
  set(fd, F_RDLCK, holder_byte(id, mode));
}

void mark_waiter(int fd, std::uint64_t id) {
  set(fd, F_RDLCK, waiter_byte(id));
}

void unmark_waiter(int fd, std::uint64_t id) {
  set(fd, F_UNLCK, waiter_byte(id));
}

void unmark_all(int fd) {
  set(fd, F_UNLCK, kWaiting, 0);
}

bool is_marked_held(int fd) {
  return is_set(fd, kHeld);
}

bool is_marked_holder(int fd, std::uint64_t id, Mode mode) {
  return is_set(fd, holder_byte(id, mode));
}

bool is_marked_waiter(int fd, std::uint64_t id) {
  return is_set(fd, waiter_byte(id));
}

}  // namespace lockgate::file
