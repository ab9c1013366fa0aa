// SPDX-License-Identifier: Apache-2.0
// From a lock's name to its file.
#pragma once

#include <optional>
#include <string>

#include "backends/file/lock_dir.hpp"
#include "core/lock.hpp"

namespace lockgate::file {

/// Where the file of one lock is, and under which key its notes are kept.
struct LockFile {
  std::string key;    // of the notes
  std::string entry;  // in the lock directory; empty for a file of the user's own
  std::string path;   // to show, and to open where `entry` is empty
};

/// Without links and detours, so that one file has one key; as it was given where it is not there.
std::string real_path(const std::string& path);

LockFile locate(const FilePlace& place, const LockName& name);

/// Opens the file for locking, making it where it is not there. `dir` may be null for a file of the user's own.
/// Throws Error.
UniqueFd open_to_lock(const LockDir* dir, const LockFile& file);

/// Opens it to look at it; none where that is not possible.
UniqueFd open_to_look(const LockDir* dir, const LockFile& file);

/// Why the open file is not the one that others would find under its name now; empty if it is.
std::optional<std::string> replaced(const LockDir* dir, const LockFile& file, int fd);

}  // namespace lockgate::file
