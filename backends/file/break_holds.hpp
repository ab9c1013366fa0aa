// SPDX-License-Identifier: Apache-2.0
// Breaking another's hold, by asking the lockgate that has it to end.
#pragma once

#include <vector>

#include "backends/file/file_backend.hpp"

namespace lockgate::file {

/// SIGTERM to each lockgate that holds the lock, after a check that the pid is still that process; then waits until
/// they have let go, for at most `patience`. If any holder cannot be asked, none is. Throws Error.
std::vector<Breaking> break_file_holds(const FilePlace& place, const LockName& name, Duration patience);

}  // namespace lockgate::file
