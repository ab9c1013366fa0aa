// SPDX-License-Identifier: Apache-2.0
#include "core/lock.hpp"

#include <doctest/doctest.h>

#include "core/error.hpp"

using namespace lockgate;

namespace {

/// What is said about a name that is none; empty for a good one.
std::string complaint(const std::string& name) {
  try {
    const LockName good(name);
    return "";
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    return error.what();
  }
}

}  // namespace

TEST_CASE("a lock name is any text of 1 to 1024 bytes") {
  for (const char* name : {"deploy", "../../etc/passwd", "-x", "a b", "鍵", "e\u0301", "*", "/"}) {
    CHECK(complaint(name).empty());
  }
  CHECK(complaint(std::string(1024, 'n')).empty());
}

TEST_CASE("what is no lock name is told with the reason") {
  CHECK(complaint("") == "the lock name is empty");
  CHECK(complaint(std::string(1025, 'n')).find("1025 bytes") != std::string::npos);
  CHECK(complaint("a\nb") == "the lock name \"a\\nb\" has a control character (0x0a) at byte 2");
  CHECK(complaint("a\xff") == "the lock name \"a\\xff\" has no valid UTF-8 at byte 2");
}

TEST_CASE("names are told apart by their bytes, not by their looks") {
  CHECK_FALSE(LockName("\u00e9") == LockName("e\u0301"));
  CHECK(LockName("a") == LockName("a"));
}
