// SPDX-License-Identifier: Apache-2.0
// Hearing of changes from a lockgate server for as long as it takes, over any number of connections.
#pragma once

#include <functional>

#include "backends/http/lock_server.hpp"
#include "core/backend.hpp"

namespace lockgate::http {

/// As Backend::watch(). Throws SpeaksGo as well.
void watch_v1(LockServer& server, HttpClient& client, const Watched& what, int stop,
              const std::function<Hearing(const LockEvent&)>& hear);

}  // namespace lockgate::http
