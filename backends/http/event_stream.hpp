// SPDX-License-Identifier: Apache-2.0
// Server-sent events, cut out of a stream that comes in any pieces.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace lockgate::http {

struct ServerEvent {
  std::string kind;  // "message" where the server gives none
  std::string data;
};

class EventStream {
 public:
  static constexpr std::size_t kMaxEvent = std::size_t{1} << 20;  // bytes

  /// Calls `hear` for each event that is whole with this piece; false from it ends that, and the rest is lost. Throws
  /// NotUnderstood for a line or an event of more than kMaxEvent.
  bool feed(std::string_view piece, const std::function<bool(const ServerEvent&)>& hear);

 private:
  bool take_line(std::string_view line, const std::function<bool(const ServerEvent&)>& hear);

  std::string line_;  // what has come of it
  bool after_return_ = false;
  bool has_data_ = false;
  ServerEvent event_;
};

}  // namespace lockgate::http
