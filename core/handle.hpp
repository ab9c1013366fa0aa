// SPDX-License-Identifier: Apache-2.0
// The secret of a hold, and what others get to see of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lockgate {

/// A random UUID (version 4). Throws Error(internal) if the kernel has no randomness to give.
std::string new_handle();

/// What stands for a handle in public: 40 bits of its digest. Tells holds apart, opens nothing.
std::uint64_t public_id(std::string_view handle);

/// The same as ten hexadecimal digits.
std::string public_id_text(std::string_view handle);

}  // namespace lockgate
