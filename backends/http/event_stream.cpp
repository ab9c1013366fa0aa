// SPDX-License-Identifier: Apache-2.0
#include "backends/http/event_stream.hpp"

#include <utility>

#include "backends/http/protocol.hpp"

namespace lockgate::http {

bool EventStream::feed(std::string_view piece, const std::function<bool(const ServerEvent&)>& hear) {
  for (const char c : piece) {
    const bool second_half = c == '\n' && after_return_;  // a line may end in CR, LF, or both
    after_return_ = c == '\r';
    if (second_half) {
      continue;
    }
    if (c != '\n' && c != '\r') {
      line_ += c;
      if (line_.size() + event_.data.size() > kMaxEvent) {
        throw NotUnderstood{"an event is too long"};
      }
    } else if (!take_line(std::exchange(line_, {}), hear)) {
      return false;
    }
  }
  return true;
}

bool EventStream::take_line(std::string_view line, const std::function<bool(const ServerEvent&)>& hear) {
  if (line.empty()) {
    ServerEvent event = std::exchange(event_, {});
    if (event.kind.empty()) {
      event.kind = "message";
    }
    return !std::exchange(has_data_, false) || hear(event);
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) {
    value.remove_prefix(1);
  }
  if (field == "event") {
    event_.kind = value;
  } else if (field == "data") {
    event_.data += (has_data_ ? "\n" : "") + std::string(value);
    has_data_ = true;
  }  // comments keep the connection alive; ids are of no use to us, for after a break it begins with the state again
  return true;
}

}  // namespace lockgate::http
