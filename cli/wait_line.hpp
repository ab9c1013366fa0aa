// SPDX-License-Identifier: Apache-2.0
// The line on stderr that says who is in the way: once after a second and then every half minute, or, on a terminal,
// one line that is kept up to date, cut to its width, and taken away at the end, or when the wait is stopped. In the
// background of a terminal it is not drawn: others write there.
#pragma once

#include "cli/command_wait.hpp"
#include "cli/session.hpp"

namespace lockgate {

class WaitLine {
 public:
  /// `session` outlives this.
  WaitLine(Session& session, LockName name);
  /// Takes the live line away.
  ~WaitLine();
  WaitLine(const WaitLine&) = delete;
  WaitLine& operator=(const WaitLine&) = delete;

  /// For a wait that ends before this goes.
  CommandWaitOptions options();

 private:
  void say(Duration waited);
  void say_why(const std::string& why);
  void erase();

  Session& session_;
  LockName name_;
  WaitLineSchedule::Kind kind_;
  bool shown_ = false;
};

}  // namespace lockgate
