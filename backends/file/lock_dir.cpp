// SPDX-License-Identifier: Apache-2.0
#include "backends/file/lock_dir.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate::file {
namespace {

constexpr auto kNotesDir = ".lockgate";

[[noreturn]] void fail(const std::string& what, const std::string& path, int error, std::string next = {}) {
  throw Error(exit_code_for_file_errno(error), fmt::format("{} {}: {}", what, quote(path), errno_text(error)),
              std::move(next));
}

int open_directory(const std::string& path) {
  const int fd = open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 || errno != ENOTDIR) {
    return fd;
  }
  // A symbolic link is followed only if nobody else could have planted it.
  struct stat link {};
  if (lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode) && (link.st_uid == 0 || link.st_uid == geteuid())) {
    return open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  errno = ENOTDIR;
  return -1;
}

void make_directories(const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      const int error = errno;
      // A parent that exists on a read-only or foreign file system may answer EROFS or EACCES instead of EEXIST.
      struct stat there {};
      if (slash == std::string::npos || stat(part.c_str(), &there) != 0) {
        fail("cannot create the lock directory", part, error, "choose another place with --dir DIR, or make this one");
      }
    }
    if (slash == std::string::npos) {
      return;
    }
  }
}

}  // namespace

LockDir::LockDir(const std::string& path, InsecureDir insecure, IfMissing if_missing) : path_(path) {
  fd_.reset(open_directory(path_));
  if (!fd_ && errno == ENOENT) {
    if (if_missing == IfMissing::leave) {
      return;
    }
    make_directories(path_);
    fd_.reset(open_directory(path_));
  }
  if (!fd_) {
    fail("cannot open the lock directory", path_, errno, "choose another place with --dir DIR");
  }
  check_safe(insecure);
}

void LockDir::check_safe(InsecureDir insecure) {
  struct stat st {};
  if (fstat(fd_.get(), &st) != 0) {
    fail("cannot look at the lock directory", path_, errno);
  }
  mode_ = st.st_mode & 07777;
  if (insecure == InsecureDir::allow) {
    return;
  }
  constexpr auto kNext = "mend it ({}), choose another place with --dir DIR, or trust it with --allow-insecure-dir";
  if (st.st_uid != 0 && st.st_uid != geteuid()) {
    throw Error(ExitCode::not_allowed,
                fmt::format("the lock directory {} belongs to another user (uid {}), who could replace the lock files",
                            quote(path_), st.st_uid),
                fmt::format(kNext, "chown root " + path_));
  }
  if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) {
    throw Error(ExitCode::not_allowed,
                fmt::format("the lock directory {} is writable for everyone without the sticky bit: anyone could "
                            "replace the lock files",
                            quote(path_)),
                fmt::format(kNext, "chmod +t " + path_));
  }
}

mode_t LockDir::lock_file_mode() const {
  mode_t mode = 0600;
  if ((mode_ & S_IWGRP) != 0) {
    mode |= 0060;
  }
  if ((mode_ & S_IWOTH) != 0) {
    mode |= 0006;
  }
  return mode;
}

mode_t LockDir::note_mode() const {
  return lock_file_mode() | (mode_ & 0044);
}

int open_entry(int dir, const char* entry, int flags, mode_t mode) {
  return openat(dir, entry, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
}

UniqueFd LockDir::open_lock_file(const std::string& entry) const {
  UniqueFd file(open_entry(fd(), entry.c_str(), O_RDWR, 0));
  if (!file && errno == ENOENT) {
    const ExactModes exact;
    file.reset(open_entry(fd(), entry.c_str(), O_RDWR | O_CREAT, lock_file_mode()));
  }
  if (!file && (errno == EACCES || errno == EROFS)) {
    // flock(2) is content with a file that may only be read.
    const int error = errno;
    file.reset(open_entry(fd(), entry.c_str(), O_RDONLY, 0));
    errno = file ? 0 : error;
  }
  if (!file) {
    fail("cannot open the lock file", path_of(entry), errno, "in the lock directory " + path_);
  }
  return file;
}

int LockDir::notes_if_there() {
  if (!notes_) {
    notes_.reset(openat(fd(), kNotesDir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  return notes_.get();
}

int LockDir::notes() {
  if (notes_if_there() >= 0) {
    return notes_.get();
  }
  if (errno == ENOENT) {
    const ExactModes exact;
    mkdirat(fd(), kNotesDir, mode_ & 01777);  // as open as the lock directory itself
  }
  const int error = errno;
  if (notes_if_there() < 0) {
    if (error == EROFS) {
      return -1;
    }
    fail("cannot create the directory for notes and tokens", path_of(kNotesDir), error,
         "whoever may take locks here must be allowed to write there");
  }
  return notes_.get();
}

}  // namespace lockgate::file
