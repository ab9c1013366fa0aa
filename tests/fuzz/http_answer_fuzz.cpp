// SPDX-License-Identifier: Apache-2.0
// Whatever a server answers, it is understood or refused: no crash, and no grant that is none.
#include <cstdint>
#include <string_view>

#include "backends/http/event_stream.hpp"
#include "backends/http/go_protocol.hpp"
#include "backends/http/protocol.hpp"
#include "backends/http/rfc3339.hpp"
#include "backends/json_check.hpp"
#include "tests/fuzz/expect.hpp"

namespace {

using namespace lockgate;
using namespace lockgate::http;

template <class Decode>
void try_to(Decode decode) {
  try {
    decode();
  } catch (const NotUnderstood& flaw) {
    expect(!flaw.why.empty());
  }
}

void read_acquire(std::string_view text) {
  constexpr std::chrono::seconds kAsked{15};
  const AcquireAnswer answer = decode_acquire(text, kAsked);
  if (const auto* granted = std::get_if<Granted>(&answer)) {
    expect(is_handle(granted->handle) && granted->ttl_left > Duration(0) && granted->ttl_left <= kAsked);
    expect(is_lockgate_answer(text) && !find_json_flaw(text, kMaxJsonDepth));
  }
}

void read_go_acquire(std::string_view text) {
  const go::Answer answer = go::decode_acquire(text, "deploy");
  expect((answer.said == go::Said::done) == is_handle(answer.handle));
}

void read_stream(std::string_view text) {
  EventStream whole;
  EventStream in_pieces;
  std::size_t events = 0;
  std::size_t events_in_pieces = 0;
  whole.feed(text, [&](const ServerEvent& event) {
    ++events;
    try_to([&] { decode_event(event.data); });
    return true;
  });
  for (const char& byte : text) {
    in_pieces.feed({&byte, 1}, [&](const ServerEvent&) {
      ++events_in_pieces;
      return true;
    });
  }
  expect(events == events_in_pieces);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_to([&] { read_acquire(text); });
  try_to([&] { decode_renew(text); });
  try_to([&] { decode_locks(text); });
  try_to([&] { decode_broken(text); });
  try_to([&] { expect_outcome(text, "released"); });
  try_to([&] { read_go_acquire(text); });
  try_to([&] { go::decode_done(text); });
  try_to([&] { read_stream(text); });
  decode_error(text);
  decode_info(text);
  parse_rfc3339(text);
  return 0;
}
