// SPDX-License-Identifier: Apache-2.0
// What is said between us and a lockgate server: the JSON of /v1/. Strict where it is read: what is not exactly an
// answer is no answer, and nothing is taken for a grant that is not one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/lock.hpp"

namespace lockgate::http {

/// Thrown by the decoders below: the text is not what it should be. The callers know where it came from.
struct NotUnderstood {
  std::string why;
};

/// What this process tells of itself.
struct Myself {
  std::string host;
  pid_t pid = 0;
  std::string user;
};

struct AcquireWish {
  std::string request_id;
  std::string acquirer_id;
  std::chrono::milliseconds wait{0};
};

std::string acquire_body(const Request& request, const AcquireWish& wish, const Myself& myself);
/// `ttl` zero: as it was.
std::string renew_body(const Grant& grant, Duration ttl);
std::string release_body(const Grant& grant, const std::string& request_id);
std::string leave_body(const LockName& name, const std::string& acquirer_id);
std::string value_body(const Grant& grant, const std::optional<std::string>& value);
std::string break_body(const LockName& name);

struct Granted {
  std::string handle;
  std::uint64_t token = 0;
  Duration ttl_left{};
  bool waited = false;  // it came out of the queue: it is older than its answer
};
struct MustWait {
  std::optional<Duration> grace;  // the server grants nothing to anybody for so long
  std::string note;
};
using AcquireAnswer = std::variant<Granted, MustWait>;

/// `asked`: a longer lease than that is no answer to our question.
AcquireAnswer decode_acquire(std::string_view body, Duration asked);

struct Renewed {
  Duration ttl{};
  std::uint64_t token = 0;
};
Renewed decode_renew(std::string_view body);

/// That `outcome` is there and is this word.
void expect_outcome(std::string_view body, std::string_view word);

std::vector<LockState> decode_locks(std::string_view body);
std::vector<HolderInfo> decode_broken(std::string_view body);
LockEvent decode_event(std::string_view data);
/// The name of something that can happen to a lock.
bool is_event_kind(std::string_view text);

/// An error in our server's own words.
struct ServerError {
  std::string code;
  std::string message;
  std::string hint;
};
std::optional<ServerError> decode_error(std::string_view body);

/// What GET /v1/ says; empty where that is no lockgate server.
struct ServerInfo {
  std::string version;
  std::int64_t api = 0;
};
std::optional<ServerInfo> decode_info(std::string_view body);

/// True if only a lockgate server would answer so, whatever it was asked.
bool is_lockgate_answer(std::string_view body);

/// A handle that can be sent back, shown in a variable of the environment, and put into a line: no more is known of it.
bool is_handle(std::string_view text);

}  // namespace lockgate::http
