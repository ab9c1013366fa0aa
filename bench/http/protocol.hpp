// SPDX-License-Identifier: Apache-2.0
// The two languages that locks are asked for in: that of the Go library, and /v1/.
#pragma once

#include <string>
#include <string_view>

#include "wire.hpp"

namespace bench {

enum class Protocol { go, v1 };

struct Wish {
  std::string lock;
  bool shared = false;
  int ttl_ms = 15'000;  // this and what follows: in /v1/ only
  int wait_ms = 0;
  int pid = 1;
  std::string acquirer = {};  // its place in the queue; empty: one of its own
};

std::string acquire_request(Protocol protocol, const Wish& wish);
std::string renew_request(Protocol protocol, const std::string& lock, std::string_view handle);
std::string release_request(Protocol protocol, const std::string& lock, std::string_view handle);

/// The server held the request back for as long as it may.
bool is_wait(const Wire& reply);
/// Of the grant that `reply` is; anything else is a failure of the measurement.
std::string handle_of(Protocol protocol, const Wire& reply);
/// A failure of the measurement where a renewal or a release went wrong.
void expect_done(Protocol protocol, const Wire& reply);

}  // namespace bench
