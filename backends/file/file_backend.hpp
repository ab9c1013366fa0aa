// SPDX-License-Identifier: Apache-2.0
// Locks in files of one host: flock(2) on DIR/<hex sha256(name)>, as the Go library werf/lockgate has it, or on a
// file of the user's own, as flock(1) has it.
#pragma once

#include <memory>

#include "backends/place.hpp"
#include "core/backend.hpp"

namespace lockgate {

/// Throws nothing: the directory is looked at when it is first needed.
std::unique_ptr<Backend> make_file_backend(const BackendPlace& place);

}  // namespace lockgate
