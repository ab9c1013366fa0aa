// SPDX-License-Identifier: Apache-2.0
#include "core/handle.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "core/error.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"

namespace lockgate {

constexpr std::size_t kIdDigits = 10;

std::string new_handle() {
  std::array<char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw Error(ExitCode::internal, "no random bytes from the kernel: " + errno_text(errno));
  }
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  std::string text = to_hex({bytes.data(), bytes.size()});
  for (const std::size_t dash : {8U, 13U, 18U, 23U}) {
    text.insert(dash, "-");
  }
  return text;
}

std::string public_id_text(std::string_view handle) {
  return sha256_hex(handle).substr(0, kIdDigits);
}

std::uint64_t public_id(std::string_view handle) {
  const std::string text = public_id_text(handle);
  std::uint64_t id = 0;
  std::from_chars(text.data(), text.data() + text.size(), id, 16);
  return id;
}

}  // namespace lockgate
