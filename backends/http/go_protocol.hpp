// SPDX-License-Identifier: Apache-2.0
// What is said between the Go library werf/lockgate and its lock server, in its exact texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/http/protocol.hpp"
#include "core/lock.hpp"

namespace lockgate::http::go {

/// Fixed by the peers. Both ends of a lease are cut to whole seconds there, so that of ten seconds nine are sure.
constexpr std::chrono::seconds kNominalTtl{10};
constexpr std::chrono::seconds kTtl{9};

std::string acquire_body(const Request& request, const std::string& acquirer_id);
/// For renew-lease and release.
std::string handle_body(const std::string& name, const std::string& handle);

enum class Said {
  done,
  should_wait,     // also "lock already leased", and while acquiring "no existing lock lease found": try again
  already_leased,  // by another
  no_lease,        // it knows no such hold
  other,           // an error in words of its own
};

struct Answer {
  Said said = Said::other;
  std::string error;   // its words
  std::string handle;  // of a grant
};

/// Throws NotUnderstood unless there is a text `err`; for `done`, unless there is a handle for `name` too. `{}` is no
/// grant.
Answer decode_acquire(std::string_view body, const std::string& name);
/// Of renew-lease and release.
Answer decode_done(std::string_view body);

}  // namespace lockgate::http::go
