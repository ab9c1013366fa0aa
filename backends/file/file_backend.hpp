// SPDX-License-Identifier: Apache-2.0
// Locks in files of one host: flock(2) on DIR/<hex sha256(name)>, as the Go library werf/lockgate has it, or on a
// file of the user's own, as flock(1) has it.
#pragma once

#include <memory>
#include <string>

#include "core/backend.hpp"

namespace lockgate {

enum class InsecureDir { refuse, allow };
enum class NameIs { key, path };

struct FilePlace {
  std::string dir;                                 // absolute; made on the first acquire
  InsecureDir insecure_dir = InsecureDir::refuse;  // a directory in which others could replace files
  NameIs name_is = NameIs::key;                    // path: the name of a lock is the file to lock itself
};

/// Throws nothing: the directory is looked at when it is first needed.
std::unique_ptr<Backend> make_file_backend(FilePlace place);

}  // namespace lockgate
