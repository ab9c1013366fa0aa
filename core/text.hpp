// SPDX-License-Identifier: Apache-2.0
// Text from outside: checked, shown safely, and carried through formats that have marks of their own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lockgate {

/// Any text in double quotes, safe to show on a terminal: control bytes, invalid UTF-8 and
/// direction-changing characters come out escaped.
std::string quote(std::string_view text);

/// The same without the quotes, for a column of a table.
std::string printable(std::string_view text);

/// Where `text` stops being plain text, and why; empty if it is valid UTF-8 without control characters.
struct TextFlaw {
  std::size_t offset;  // byte
  std::string what;    // "a control character (0x0a)", "no valid UTF-8"
};
std::optional<TextFlaw> find_flaw(std::string_view text);

/// `%XX` for every byte but letters, digits and `-._~/:@+,`. One line, no spaces.
std::string percent_encode(std::string_view text);
/// Empty where a `%` is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text);

/// Lower-case hexadecimal.
std::string to_hex(std::string_view bytes);

}  // namespace lockgate
