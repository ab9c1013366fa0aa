// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"

#include <doctest/doctest.h>

using namespace lockgate;

TEST_CASE("quoted text cannot play tricks on a terminal") {
  CHECK(quote("deploy") == "\"deploy\"");
  CHECK(quote("a\"b\\c") == "\"a\\\"b\\\\c\"");
  CHECK(quote("line\nbreak\ttab") == "\"line\\nbreak\\ttab\"");
  CHECK(quote("\x1b[31mred") == "\"\\x1b[31mred\"");
  CHECK(quote("bad\xff") == "\"bad\\xff\"");
  CHECK(quote("\u202Egnp.exe") == "\"\\u{202e}gnp.exe\"");
  CHECK(quote("\u0085") == "\"\\u{85}\"");
  CHECK(quote("Größe 鍵") == "\"Größe 鍵\"");
}

TEST_CASE("a flaw in a text is told with its place") {
  CHECK_FALSE(find_flaw("plain Größe").has_value());
  CHECK(find_flaw("ab\n")->offset == 2);
  CHECK(find_flaw("ab\n")->what == "a control character (0x0a)");
  CHECK(find_flaw("\x7f")->offset == 0);
  for (const char* bad : {"\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "\x80"}) {
    CHECK(find_flaw(bad)->what == "no valid UTF-8");
  }
}

TEST_CASE("percent-encoding brings back every byte") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    all += static_cast<char>(byte);
  }
  const std::string encoded = percent_encode(all);
  CHECK(encoded.find_first_of(" \n%\x01") == encoded.find('%'));
  CHECK(percent_decode(encoded) == all);
  CHECK(percent_encode("a b/c") == "a%20b/c");
  CHECK_FALSE(percent_decode("%4").has_value());
  CHECK_FALSE(percent_decode("%zz").has_value());
}
