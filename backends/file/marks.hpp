// SPDX-License-Identifier: Apache-2.0
// Marks that a process leaves on an open lock file for as long as it (or a child with the descriptor) lives: OFD read
// locks on single bytes far beyond any content. They exclude nobody. Anyone who may read the file can ask for them,
// also from another pid namespace and after the death of the process that set them, without disturbing the lock.
//
//   2^62                   a lockgate holder is there
//   2^62 + 2 + 2*id        the exclusive holder with this public id; + 1: the shared one
//   2^61 + 2*id            the waiter with this id
#pragma once

#include <cstdint>

#include "core/lock.hpp"

namespace lockgate::file {

enum class Marks { supported, unsupported };

/// Not on network file systems, where flock(2) is a range lock on the same file and the two would collide.
Marks marks_supported(int fd);

/// Setting is best effort: where it fails, `status` knows less.
void mark_holder(int fd, std::uint64_t id, Mode mode);
void mark_waiter(int fd, std::uint64_t id);
void unmark_waiter(int fd, std::uint64_t id);
/// Takes all marks of this open file away, also for the processes that inherited it.
void unmark_all(int fd);

/// Asking. `fd` must be another open file than the one that set the mark, and readable. False too where the file
/// system does not know marks.
bool is_marked_held(int fd);
bool is_marked_holder(int fd, std::uint64_t id, Mode mode);
bool is_marked_waiter(int fd, std::uint64_t id);

}  // namespace lockgate::file
