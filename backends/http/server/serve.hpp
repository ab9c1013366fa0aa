// SPDX-License-Identifier: Apache-2.0
// The lock server as a whole, for `lockgate serve`.
#pragma once

#include "backends/http/server/serve_options.hpp"

namespace lockgate::server {

/// Serves until SIGTERM or SIGINT, then answers what waits, writes everything down and returns 0. SIGHUP: certificates
/// and tokens are read again. All signals are blocked by the caller. Throws Error for what keeps it from beginning.
int serve(const ServeOptions& options);

}  // namespace lockgate::server
