// SPDX-License-Identifier: Apache-2.0
// The notes of this user's keepers: how `release` in one step of a job finds what `acquire` took in another.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/backend.hpp"
#include "core/process.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {

struct KeeperNote {
  std::string id;  // public id of the hold, the name of the note
  std::string handle;
  LockIdentity lock;
  Mode mode = Mode::exclusive;
  pid_t keeper = 0;
  BootTime since;      // the keeper was there then
  std::string boot;    // of the machine: after a restart pids begin anew
  pid_t acquirer = 0;  // the process that ran `lockgate acquire`, usually a shell
  BootTime acquirer_since;
  std::string lost;  // why the hold is gone although nobody released it
  /// Why it could not be given back when that was asked for: it ends with its lease.
  std::string not_released;

  /// The keeper, if it runs.
  [[nodiscard]] std::optional<Process> find_keeper() const;
  /// True while the process that ran `acquire` runs.
  [[nodiscard]] bool acquirer_runs() const;
};

/// The folder of the notes, below the state directory of the user, who alone may read it. One process at a time is not
/// demanded: each note is a file of its own, which comes and goes whole.
class KeeperNotes {
 public:
  /// Finds the folder by XDG_STATE_HOME, HOME or the user's entry in the user database. Throws Error(config) without.
  KeeperNotes();

  /// Throws Error: 73, 74 or 77.
  void write(const KeeperNote& note) const;
  void remove(const std::string& id) const;
  /// The right to release the hold `id`, for as long as the descriptor lives: of several that want to, one after the
  /// other. Empty where the note is gone. Blocks.
  [[nodiscard]] UniqueFd claim(const std::string& id) const;
  /// Every note that can be read; others are passed over.
  [[nodiscard]] std::vector<KeeperNote> read() const;

 private:
  std::string folder_;
};

/// What tells this start of the machine from others.
std::string boot_id();

}  // namespace lockgate
