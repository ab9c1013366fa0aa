// SPDX-License-Identifier: Apache-2.0
// For `lockgate-net`: the server itself.
#include "backends/http/server/serve.hpp"
#include "cli/program.hpp"
#include "cli/serve.hpp"

namespace lockgate {

int run_serve(const CommandLine& line, const Start& /*start*/) {
  return server::serve(serve_options(line, Surroundings::of_this_process()));
}

}  // namespace lockgate
