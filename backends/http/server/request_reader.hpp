// SPDX-License-Identifier: Apache-2.0
// Makes requests out of bytes, within bounds and strictly: what two readers could understand in two ways is refused.
// No socket: a connection, a test or a fuzzer feeds it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "backends/http/server/http_message.hpp"

namespace lockgate::server {

struct ReaderLimits {
  std::size_t body = std::size_t{64} * 1024;
  std::size_t headers = std::size_t{16} * 1024;  // the whole head, and the trailer of a chunked body
  std::size_t target = std::size_t{8} * 1024;
};

/// Why a request is not answered but turned away. The connection cannot be used after it.
struct Refusal {
  int status = 400;
  std::string_view code = "bad_request";
  std::string_view message;  // one sentence, plain ASCII without quotes
};

struct NeedsMore {};

struct WholeRequest {
  HttpRequest request;
  std::size_t bytes = 0;  // that it was made of
  int minor_version = 1;  // HTTP/1.x
  bool keep_alive = true;
};

/// Reads one request; for the next one a new reader.
class RequestReader {
 public:
  explicit RequestReader(const ReaderLimits& limits) : limits_(limits) {}

  /// Looks at `input` and takes from its front what it has understood; what belongs to the next request stays. The
  /// same `input` is to be given each time, with more at its end. After a request or a refusal: not to be called again.
  std::variant<NeedsMore, WholeRequest, Refusal> read(std::string& input);

  [[nodiscard]] bool head_is_read() const { return state_ != State::head; }
  /// The client waits for "100 Continue" before it sends the body.
  [[nodiscard]] bool client_waits_for_continue() const { return waits_for_continue_; }

 private:
  enum class State { head, counted_body, chunk_line, chunk_data, chunk_end, trailer, whole };
  /// Refused, or not; in the second case `state_` may be the same as before: more bytes are needed.
  using Verdict = std::variant<std::monostate, Refusal>;

  Verdict read_head(std::string& input);
  [[nodiscard]] Verdict scan_head(const std::string& input);
  [[nodiscard]] Verdict check_line(const std::string& input, std::size_t end);
  Verdict parse_head(std::string_view text);
  Verdict step(std::string_view& rest);
  Verdict read_chunk_line(std::string_view& rest);
  Verdict read_trailer(std::string_view& rest);
  void take_body(std::string_view& rest);

  ReaderLimits limits_;
  State state_ = State::head;
  WholeRequest result_;
  std::uint64_t body_left_ = 0;  // of the body, or of this chunk
  std::size_t scanned_ = 0;      // bytes of the head that were looked at
  std::size_t line_start_ = 0;
  std::size_t lines_ = 0;
  std::size_t head_size_ = 0;  // 0: its end has not come yet
  std::size_t trailer_bytes_ = 0;
  bool waits_for_continue_ = false;
};

}  // namespace lockgate::server
