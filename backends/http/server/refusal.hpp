// SPDX-License-Identifier: Apache-2.0
// A request that is answered by an error: what a route throws, and the one form in which it is sent.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/http/server/http_message.hpp"

namespace lockgate::server {

struct Refusal {
  int status = 400;
  std::string code;     // a word for programs: "bad_json"
  std::string message;  // a sentence for people
  std::string hint = {};
  std::string member = {};                 // of the body or the query, which is at fault
  std::optional<std::size_t> offset = {};  // where the body stops being JSON
  std::vector<std::string> paths = {};     // with 404
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// {"error":{...}}
HttpReply to_reply(const Refusal& refusal);

}  // namespace lockgate::server
