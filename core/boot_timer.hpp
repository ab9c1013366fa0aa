// SPDX-License-Identifier: Apache-2.0
// Waiting on the boot clock: what a timeout of poll() does not do, and what no condition variable can.
#pragma once

#include "core/clock.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {

/// A timerfd on the boot clock. Throws Error(internal).
UniqueFd open_boot_timer();
/// Fires at `when`; a moment that has passed fires at once.
void set_boot_timer(const UniqueFd& timer, BootTime when);

}  // namespace lockgate
