// SPDX-License-Identifier: Apache-2.0
// Where locks are, for whichever kind of backend was chosen. Plain values; each backend takes what is its own.
#pragma once

#include <string>

#include "core/clock.hpp"

namespace lockgate {

enum class InsecureDir { refuse, allow };
enum class NameIs { key, path };

struct FilePlace {
  std::string dir;                                 // absolute; made on the first acquire
  InsecureDir insecure_dir = InsecureDir::refuse;  // a directory in which others could replace files
  NameIs name_is = NameIs::key;                    // path: the name of a lock is the file to lock itself
};

struct HttpPlace {
  std::string url;         // http://HOST[:PORT][/PREFIX], https://..., unix:PATH
  std::string token_file;  // absolute paths; empty: none
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
};

struct BackendPlace {
  FilePlace file;
  HttpPlace http;
};

}  // namespace lockgate
