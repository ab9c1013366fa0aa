// SPDX-License-Identifier: Apache-2.0
// What can happen to a connection, as bits.
#pragma once

namespace lockgate::server {

inline constexpr unsigned kReadable = 1;
inline constexpr unsigned kWritable = 2;
inline constexpr unsigned kError = 4;
inline constexpr unsigned kTimeout = 8;
inline constexpr unsigned kWake = 16;
inline constexpr unsigned kStop = 32;    // stays
inline constexpr unsigned kBroken = 64;  // stays
inline constexpr unsigned kQuiet = 128;  // no call is pending

}  // namespace lockgate::server
