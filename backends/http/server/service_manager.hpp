// SPDX-License-Identifier: Apache-2.0
// What a service manager (systemd) and a service tell each other: sockets that are handed over, and readiness.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/unique_fd.hpp"

namespace lockgate::server {

/// The listening sockets that were handed over (LISTEN_FDS, LISTEN_PID); empty where there are none for this process.
/// The variables are taken out of the environment: a second call, or a child, gets nothing.
/// Throws Error(config) where what was handed over is no listening stream socket.
std::vector<UniqueFd> take_handed_sockets();

/// Tells the service manager ($NOTIFY_SOCKET), e.g. "READY=1", "STOPPING=1", "WATCHDOG=1". False: there is none, or it
/// does not listen, which is nothing to stop for. Never blocks.
bool notify_service_manager(std::string_view text);

/// How long it waits for a WATCHDOG=1 before it takes this process for hung; tell it twice as often. Nothing: it does
/// not wait for any.
std::optional<Duration> watchdog_interval();

}  // namespace lockgate::server
