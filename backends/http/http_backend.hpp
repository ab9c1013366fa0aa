// SPDX-License-Identifier: Apache-2.0
// Locks on a lock server over HTTP: lockgate's own (/v1/), or that of the Go library werf/lockgate.
#pragma once

#include <memory>

#include "backends/place.hpp"
#include "core/backend.hpp"

namespace lockgate {

/// Reads the token and certificate files, and does not connect. Throws Error(usage or config).
std::unique_ptr<Backend> make_http_backend(const BackendPlace& place);

}  // namespace lockgate
