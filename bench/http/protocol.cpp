// SPDX-License-Identifier: Apache-2.0
#include "protocol.hpp"

#include <atomic>
#include <cstdio>

namespace bench {
namespace {

/// As long as the UUIDs that clients send.
std::string fresh_id() {
  static std::atomic<std::uint64_t> count = 0;
  char text[40];
  std::snprintf(text, sizeof text, "%08x-bec4-4000-8000-%012llx", static_cast<unsigned>(getpid()),
                static_cast<unsigned long long>(++count));
  return text;
}

std::string handle_object(const std::string& lock, std::string_view handle) {
  return R"({"lockHandle":{"uuid":")" + std::string(handle) + R"(","lockName":")" + lock + R"("}})";
}

[[noreturn]] void refused(const Wire& reply) {
  fail("the server answered " + std::to_string(reply.status()) + ": " + std::string(reply.body()));
}

}  // namespace

std::string acquire_request(Protocol protocol, const Wish& wish) {
  if (protocol == Protocol::go) {
    return post("/acquire",
                R"({"lockName":")" + wish.lock + R"(","opts":{"shared":)" + (wish.shared ? "true" : "false") + "}}");
  }
  std::string body = R"({"name":")" + wish.lock + R"(","mode":")" + (wish.shared ? "shared" : "exclusive") +
                     R"(","request_id":")" + fresh_id() + R"(","acquirer_id":")" +
                     (wish.acquirer.empty() ? fresh_id() : wish.acquirer) + R"(","ttl_ms":)" +
                     std::to_string(wish.ttl_ms) + R"(,"wait_ms":)" + std::to_string(wish.wait_ms);
  body += R"(,"holder":{"host":"build-7.example.com","pid":)" + std::to_string(wish.pid) +
          R"(,"user":"builder","command":"make -j2 all"}})";
  return post("/v1/acquire", body);
}

std::string renew_request(Protocol protocol, const std::string& lock, std::string_view handle) {
  if (protocol == Protocol::go) {
    return post("/renew-lease", handle_object(lock, handle));
  }
  return post("/v1/renew", R"({"name":")" + lock + R"(","handle":")" + std::string(handle) + R"("})");
}

std::string release_request(Protocol protocol, const std::string& lock, std::string_view handle) {
  if (protocol == Protocol::go) {
    return post("/release", handle_object(lock, handle));
  }
  return post("/v1/release", R"({"name":")" + lock + R"(","handle":")" + std::string(handle) + R"(","request_id":")" +
                                 fresh_id() + R"("})");
}

bool is_wait(const Wire& reply) {
  return reply.status() == 200 && member(reply.body(), "outcome") == "wait";
}

std::string handle_of(Protocol protocol, const Wire& reply) {
  const auto handle = member(reply.body(), protocol == Protocol::go ? "uuid" : "handle");
  if (reply.status() != 200 || handle.empty()) {
    refused(reply);
  }
  return std::string(handle);
}

void expect_done(Protocol protocol, const Wire& reply) {
  if (reply.status() != 200 || (protocol == Protocol::go && !reply.body().starts_with(R"({"err":""})"))) {
    refused(reply);
  }
}

}  // namespace bench
