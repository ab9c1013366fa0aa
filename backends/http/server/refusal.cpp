// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/refusal.hpp"

#include <nlohmann/json.hpp>

namespace lockgate::server {

HttpReply to_reply(const Refusal& refusal) {
  using Json = nlohmann::ordered_json;
  Json error = {{"code", refusal.code}, {"message", refusal.message}};
  if (!refusal.hint.empty()) {
    error["hint"] = refusal.hint;
  }
  if (!refusal.member.empty()) {
    error["member"] = refusal.member;
  }
  if (refusal.offset) {
    error["offset"] = *refusal.offset;
  }
  if (!refusal.paths.empty()) {
    error["paths"] = refusal.paths;
  }
  HttpReply reply;
  reply.status = refusal.status;
  reply.body = Json({{"error", error}}).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  reply.headers = refusal.headers;
  return reply;
}

}  // namespace lockgate::server
