// SPDX-License-Identifier: Apache-2.0
// A bearer token in a file that may be replaced while we run.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

namespace lockgate {

/// Not thread-safe.
class TokenFile {
 public:
  /// Reads it. `path` empty: there is no token. Throws Error(not_allowed) where it may not be read, Error(config) where
  /// there is none or it holds no token.
  explicit TokenFile(std::string path);

  /// The token, read anew if the file is another one than before, or was written to. Where it cannot be read just now
  /// (it is being replaced), the last one.
  const std::string& current();
  /// Reads it whatever its times say. True if the token is another one.
  bool reread();

  [[nodiscard]] const std::string& path() const { return path_; }
  /// What is odd about the file, for people; empty if nothing is.
  [[nodiscard]] std::optional<std::string> oddity() const;

 private:
  struct Read {
    std::string token;
    struct stat seen {};
  };
  [[nodiscard]] Read read() const;

  std::string path_;
  Read last_;
};

/// What is odd about the mode of a file that holds a secret: others can read it. Empty if nothing is, or there is no
/// such file.
std::optional<std::string> find_open_mode(const std::string& path);

}  // namespace lockgate
