// SPDX-License-Identifier: Apache-2.0
#include "backends/http/go_protocol.hpp"

#include <nlohmann/json.hpp>

#include "backends/json_check.hpp"

namespace lockgate::http::go {
namespace {

using Json = nlohmann::json;

Json parse(std::string_view body) {
  Json json;
  if (const auto flaw = read_json(body, kMaxJsonDepth, json)) {
    throw NotUnderstood{flaw->what};
  }
  if (!json.is_object()) {
    throw NotUnderstood{"it is no JSON object"};
  }
  return json;
}

Said meaning(const std::string& error) {
  return error.empty()                             ? Said::done
         : error == "should wait"                  ? Said::should_wait
         : error == "lock already leased"          ? Said::already_leased
         : error == "no existing lock lease found" ? Said::no_lease
                                                   : Said::other;
}

Answer decode_error(const Json& json) {
  const auto error = json.find("err");
  if (error == json.end() || !error->is_string()) {
    throw NotUnderstood{"it has no text \"err\""};
  }
  const auto words = error->get<std::string>();
  return {meaning(words), words, ""};
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string acquire_body(const Request& request, const std::string& acquirer_id) {
  return dump({{"lockName", request.name.text()},
               {"opts", {{"shared", request.mode == Mode::shared}, {"acquirerId", acquirer_id}}}});
}

std::string handle_body(const std::string& name, const std::string& handle) {
  return dump({{"lockHandle", {{"uuid", handle}, {"lockName", name}}}});
}

Answer decode_acquire(std::string_view body, const std::string& name) {
  const Json json = parse(body);
  Answer answer = decode_error(json);
  if (answer.said != Said::done) {
    return answer;
  }
  const auto handle = json.find("lockHandle");
  if (handle == json.end() || !handle->is_object()) {
    throw NotUnderstood{"it has no \"lockHandle\""};
  }
  const auto uuid = handle->find("uuid");
  const auto locked = handle->find("lockName");
  if (uuid == handle->end() || !uuid->is_string() || !is_handle(uuid->get<std::string>())) {
    throw NotUnderstood{"its handle has no uuid"};
  }
  if (locked == handle->end() || *locked != name) {
    throw NotUnderstood{"its handle is that of another lock"};
  }
  answer.handle = uuid->get<std::string>();
  return answer;
}

Answer decode_done(std::string_view body) {
  return decode_error(parse(body));
}

}  // namespace lockgate::http::go
