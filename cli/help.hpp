// SPDX-License-Identifier: Apache-2.0
// What --help prints: at most 24 lines of 80 columns for each command.
#pragma once

#include <string_view>

#include "cli/options.hpp"

namespace lockgate {

/// The help of exec, acquire, release, status or doctor; the overview for anything else.
std::string_view help_text(CommandKind kind);

}  // namespace lockgate
