// SPDX-License-Identifier: Apache-2.0
// The directory with the lock files, and the one inside it with notes, token counters and gates.
#pragma once

#include <sys/stat.h>

#include <string>

#include "backends/file/file_backend.hpp"
#include "core/unique_fd.hpp"

namespace lockgate::file {

enum class IfMissing { create, leave };

/// An open lock directory that was found safe to use. Not thread-safe.
class LockDir {
 public:
  /// Opens DIR, making it and its parents if wanted. Throws Error: 73 if it cannot be made or is no directory,
  /// 74 disk full, 77 if it cannot be searched or others could replace files in it. With IfMissing::leave a
  /// directory that is not there gives an object for which `exists()` is false.
  LockDir(const std::string& path, InsecureDir insecure, IfMissing if_missing);

  [[nodiscard]] bool exists() const { return static_cast<bool>(fd_); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path_of(const std::string& entry) const { return path_ + "/" + entry; }

  /// Opens the lock file `entry`, without O_CREAT first (a sticky directory may refuse that for a file of another
  /// user), never truncating, never following a link. Throws Error as above.
  [[nodiscard]] UniqueFd open_lock_file(const std::string& entry) const;

  /// The directory of the notes, made on first use. -1 where the file system is read-only. Throws Error.
  int notes();
  /// The same without making it: -1 if it is not there.
  int notes_if_there();

  /// The permissions of a new lock file, and of a new note: private in a private directory, shared in a shared one.
  [[nodiscard]] mode_t lock_file_mode() const;
  [[nodiscard]] mode_t note_mode() const;

 private:
  void check_safe(InsecureDir insecure);

  std::string path_;
  UniqueFd fd_;
  UniqueFd notes_;
  mode_t mode_ = 0;
};

/// While it lives, files get exactly the permissions asked for: the umask is the user's wish for private files, a
/// shared directory is the wish for shared locks. Of the whole process, so short.
class ExactModes {
 public:
  ExactModes() : umask_(umask(0)) {}
  ~ExactModes() { umask(umask_); }
  ExactModes(const ExactModes&) = delete;
  ExactModes& operator=(const ExactModes&) = delete;

 private:
  mode_t umask_;
};

/// openat() of a regular file as a hostile directory demands it: no links followed, no waiting for a FIFO.
/// `flags`: access mode and O_CREAT. -1 with errno.
int open_entry(int dir, const char* entry, int flags, mode_t mode);

}  // namespace lockgate::file
