// SPDX-License-Identifier: Apache-2.0
// lockgate serve: from its options to what the server is told, and the making of tokens.
#pragma once

#include "backends/http/server/serve_options.hpp"
#include "cli/command_line.hpp"
#include "cli/settings.hpp"

namespace lockgate {

/// Throws Error(usage) for an address, a store or a pair of options that cannot be, and Error(config) where there is
/// no home for the store.
server::ServeOptions serve_options(const CommandLine& line, const Surroundings& surroundings);

/// `serve --new-token`: prints the token, and adds its line to the file of tokens or says it. Throws Error.
int run_new_token(const CommandLine& line);

}  // namespace lockgate
