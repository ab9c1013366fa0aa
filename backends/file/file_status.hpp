// SPDX-License-Identifier: Apache-2.0
// Who holds and who waits for the locks of a place, put together from marks, the kernel's list and notes. Takes no
// lock, not for a moment.
#pragma once

#include <string>
#include <vector>

#include "backends/file/file_backend.hpp"

namespace lockgate::file {

/// The locks of these names in their order, or every lock of the place. Throws Error where the place cannot be read.
std::vector<LockState> list_locks(const FilePlace& place, const std::vector<LockName>& names);

/// A line for each thing about the place that an operator should know; empty if all is well.
std::vector<std::string> diagnose_place(const FilePlace& place);

}  // namespace lockgate::file
