// SPDX-License-Identifier: Apache-2.0
// Feeds bytes to the reader of requests as a connection does: in one piece, and cut by the bytes' own first one. Both
// must come to the same requests, within the limits.
#include <cstdint>
#include <string>
#include <string_view>

#include "backends/http/server/reply_text.hpp"
#include "backends/http/server/request_reader.hpp"
#include "core/text.hpp"
#include "tests/fuzz/expect.hpp"

namespace {

using namespace lockgate::server;

constexpr ReaderLimits kLimits{512, 1024, 128};

void check(const WholeRequest& whole) {
  const HttpRequest& request = whole.request;
  expect(request.body.size() <= kLimits.body);
  expect(!request.method.empty() && request.path.size() <= kLimits.target);
  expect(request.path.starts_with('/') && !lockgate::find_flaw(request.path));
  for (const auto& [name, value] : request.query) {
    expect(!lockgate::find_flaw(name) && !lockgate::find_flaw(value));
  }
  for (const std::string* field : {&request.host, &request.authorization, &request.origin}) {
    expect(field->find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
}

/// What is understood, as text; `piece`: how many bytes come at a time.
std::string run(std::string_view bytes, std::size_t piece) {
  std::string out;
  std::string input;
  RequestReader reader(kLimits);
  while (true) {
    const std::size_t before = input.size();
    const auto result = reader.read(input);
    if (const auto* refusal = std::get_if<Refusal>(&result)) {
      return out + "refused " + reply_for(*refusal).body;
    }
    if (const auto* whole = std::get_if<WholeRequest>(&result)) {
      check(*whole);
      out += whole->request.method + whole->request.path + whole->request.host + whole->request.body + "|";
      reader = RequestReader(kLimits);
      expect(before > input.size());
      continue;
    }
    if (bytes.empty()) {
      return out;
    }
    input += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 8192) {
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string in_pieces = run(bytes, data[0] % 16 + 1u);
  expect(run(bytes, 1) == in_pieces);
  expect(run(bytes, bytes.size() + 1) == in_pieces);
  return 0;
}
