// SPDX-License-Identifier: Apache-2.0
// Makes a lock server of which a test can say where it is killed: LOCKGATE_TEST_FAILPOINT=NAME:COUNT. The server that
// is shipped has no such door.
#include <cstdlib>

#include "backends/http/server/failpoint.hpp"

namespace lockgate::server {
namespace {

[[maybe_unused]] const bool kIsSet = [] {
  const char* const wanted = std::getenv("LOCKGATE_TEST_FAILPOINT");
  set_failpoint(wanted == nullptr ? "" : wanted);
  return true;
}();

}  // namespace
}  // namespace lockgate::server
