// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4). Of our own, for a reason: the first digest of a crypto library costs more than the rest of
// taking a file lock.
#pragma once

#include <string>
#include <string_view>

namespace lockgate {

/// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view data);

}  // namespace lockgate
