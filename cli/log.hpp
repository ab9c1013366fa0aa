// SPDX-License-Identifier: Apache-2.0
// What lockgate says to people: on stderr, each line beginning "lockgate: ", each written at one stroke so that lines
// of several processes do not mix.
#pragma once

#include <string>

#include "core/error.hpp"

namespace lockgate {

class Log {
 public:
  enum class Level { quiet, normal, verbose, debug };

  explicit Log(Level level) : level_(level) {}

  /// Always, also with --quiet: why lockgate ends without having done what was asked for.
  void error(const std::string& text) const;
  /// The same with the next step on a line of its own.
  void error(const Error& error) const;
  /// What people want to know unless they said --quiet.
  void say(const std::string& text) const;
  /// With -v.
  void verbose(const std::string& text) const;
  /// With -vv or LOCKGATE_DEBUG=1.
  void debug(const std::string& text) const;

  [[nodiscard]] Level level() const { return level_; }

 private:
  void write(Level at_least, const std::string& text) const;

  Level level_;
};

/// Writes all of `text` to standard output. Throws Error(io_error) where that cannot be done (disk full, say).
void print(const std::string& text);

}  // namespace lockgate
