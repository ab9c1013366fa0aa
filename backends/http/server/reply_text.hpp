// SPDX-License-Identifier: Apache-2.0
// Replies as bytes.
#pragma once

#include <string>
#include <string_view>

#include "backends/http/server/http_message.hpp"
#include "backends/http/server/request_reader.hpp"

namespace lockgate::server {

/// What a reply's form depends on beside itself.
struct ReplyForm {
  enum class Body { sent, left_out };          // left out: HEAD
  enum class After { close, keep, keep_1_0 };  // HTTP/1.0 wants to be told that the connection stays
  std::string_view date;
  Body body = Body::sent;
  After after = After::close;
};

/// Head and body. Throws std::invalid_argument for a header that would not be one (line breaks in it).
std::string reply_text(const HttpReply& reply, const ReplyForm& form);

/// The head of an answer without an end.
std::string stream_head(std::string_view content_type, std::string_view date);

/// {"error":{"code":…,"message":…}}
HttpReply reply_for(const Refusal& refusal);

/// For the Date field: "Sun, 06 Nov 1994 08:49:37 GMT". Made anew once a second.
class DateText {
 public:
  std::string_view now();

 private:
  long long second_ = -1;
  std::string text_;
};

}  // namespace lockgate::server
