// SPDX-License-Identifier: Apache-2.0
// What is odd about a lock server and our way to it, for `doctor`.
#pragma once

#include <string>
#include <vector>

#include "backends/http/lock_server.hpp"

namespace lockgate::http {

/// A line for each oddity. Asks the server, and disturbs nothing there.
std::vector<std::string> diagnose_server(LockServer& server, HttpClient& client);

}  // namespace lockgate::http
