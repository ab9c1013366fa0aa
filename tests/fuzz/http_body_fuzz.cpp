// SPDX-License-Identifier: Apache-2.0
// Whatever comes as the body of a request, its members are read or refused with a reason that can be sent.
#include <cstdint>
#include <string_view>

#include "backends/http/server/body.hpp"
#include "backends/http/server/refusal.hpp"
#include "tests/fuzz/expect.hpp"

namespace {

using namespace lockgate;
using namespace lockgate::server;

constexpr std::size_t kMaxLine = 200;

template <class Read>
void try_to(Read read) {
  try {
    read();
  } catch (const Refusal& refusal) {
    expect(refusal.status == 400 || refusal.status == 422);
    expect(!refusal.code.empty() && !refusal.message.empty() && !to_reply(refusal).body.empty());
  }
}

void read_members(const Body& body) {
  try_to([&] { expect(!body.name().text().empty()); });
  try_to([&] { static_cast<void>(body.mode()); });
  try_to([&] { expect(body.line("acquirer_id", kMaxLine).size() <= kMaxLine); });
  try_to([&] { expect(!body.needed_line("request_id", kMaxLine).empty()); });
  try_to([&] {
    const auto value = body.text("value", kMaxValue);
    expect(!value || value->size() <= kMaxValue);
  });
  try_to([&] {
    const auto ttl = body.number("ttl_ms", 1, 1000);
    expect(!ttl || (*ttl >= 1 && *ttl <= 1000));
  });
  try_to([&] { static_cast<void>(body.flag("notify")); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_to([&] {
    const Body body(text);
    read_members(body);
    try_to([&] { read_members(body.object("holder")); });
  });
  return 0;
}
