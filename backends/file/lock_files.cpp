// SPDX-License-Identifier: Apache-2.0
#include "backends/file/lock_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "core/error.hpp"
#include "core/sha256.hpp"

namespace lockgate::file {
namespace {

/// As flock(1) opens its file: for reading, which is enough for flock(2), a directory too, following links, made with
/// the permissions that the umask leaves. First without O_CREAT, which a sticky directory may refuse.
int open_own_file(const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int fd = open(path.c_str(), kFlags);
  return fd >= 0 || errno != ENOENT ? fd : open(path.c_str(), kFlags | O_CREAT, 0666);
}

}  // namespace

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), std::free);
  return real ? real.get() : path;
}

LockFile locate(const FilePlace& place, const LockName& name) {
  if (place.name_is == NameIs::key) {
    const std::string key = sha256_hex(name.text());
    return {key, key, place.dir + "/" + key};
  }
  const std::string path = real_path(name.text());
  return {sha256_hex("path " + path), "", path};
}

UniqueFd open_to_lock(const LockDir* dir, const LockFile& file) {
  if (!file.entry.empty()) {
    return dir->open_lock_file(file.entry);
  }
  UniqueFd fd(open_own_file(file.path));
  if (!fd) {
    throw Error(exit_code_for_file_errno(errno),
                fmt::format("cannot open {} to lock it: {}", quote(file.path), errno_text(errno)),
                "with --path NAME is the file to lock; without it NAME is any word");
  }
  return fd;
}

UniqueFd open_to_look(const LockDir* dir, const LockFile& file) {
  if (!file.entry.empty()) {
    return UniqueFd(open_entry(dir->fd(), file.entry.c_str(), O_RDONLY, 0));
  }
  return UniqueFd(open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

std::optional<std::string> replaced(const LockDir* dir, const LockFile& file, int fd) {
  // Not the inode number alone: it is used again. An open file without a name cannot be the one at the path.
  struct stat mine {};
  struct stat there {};
  const bool found = file.entry.empty() ? stat(file.path.c_str(), &there) == 0
                                        : fstatat(dir->fd(), file.entry.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
  if (fstat(fd, &mine) != 0 || mine.st_nlink == 0 || !found) {
    return fmt::format("the lock file {} was removed", quote(file.path));
  }
  if (mine.st_dev != there.st_dev || mine.st_ino != there.st_ino) {
    return fmt::format("the lock file {} was replaced by another", quote(file.path));
  }
  if (!file.entry.empty() && (!S_ISREG(mine.st_mode) || mine.st_nlink > 1)) {
    throw Error(ExitCode::not_allowed, fmt::format("{} is no plain file of its own", quote(file.path)),
                "somebody put a link or a device there; look at it, then remove it");
  }
  return std::nullopt;
}

}  // namespace lockgate::file
