// SPDX-License-Identifier: Apache-2.0
// The gate that keeps readers from starving writers. The kernel serves those who wait for a lock first come, first
// served, with one gap: a newcomer that wants to read joins those who read, also while a writer waits for them to end.
// So waiting writers shut a gate, and a reader that would overtake one waits there.
//
// A courtesy among lockgate processes, and never a danger: exclusion does not depend on it, nobody stands at it for
// longer than two seconds without a look whether a writer is really waiting, and it opens when its writer ends.
#pragma once

#include "backends/file/kernel_wait.hpp"
#include "backends/file/notebook.hpp"
#include "core/unique_fd.hpp"

namespace lockgate::file {

class Gate {
 public:
  /// For a writer, the gate is made if it is not there. Without one (read-only directory) everything here is a no-op.
  Gate(Notebook& notebook, Mode mode);

  /// Writers: shut, from now until open() or the end of the process. Waits while a reader is just passing.
  void shut(KernelWait& wait);
  /// Writers: no longer shut by us. Any thread.
  void open();
  /// Readers: whether a writer shut it. Disturbs nobody.
  [[nodiscard]] bool is_shut() const;
  /// Readers: whether going on to the lock behind `lock_fd` now would overtake a writer that is in its queue.
  [[nodiscard]] bool would_overtake(const UniqueFd& lock_fd) const;
  /// Readers: waits as long as going on to the lock behind `lock_fd` would overtake a writer.
  void pass(KernelWait& wait, const UniqueFd& lock_fd);

 private:
  UniqueFd fd_;
};

}  // namespace lockgate::file
