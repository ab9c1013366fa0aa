// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdio>
#include <set>

#include "core/handle.hpp"
#include "core/sha256.hpp"

using namespace lockgate;

namespace {

/// What coreutils' sha256sum says of `length` letters.
std::string sha256sum_of(std::size_t length) {
  const std::string command = fmt::format("head -c {} /dev/zero | tr '\\0' x | sha256sum", length);
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string digest(64, '\0');
  CHECK(std::fread(digest.data(), 1, digest.size(), pipe) == digest.size());
  pclose(pipe);
  return digest;
}

}  // namespace

TEST_CASE("our SHA-256 is the one of the standard's examples") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("our SHA-256 agrees with sha256sum around the edges of its blocks") {
  for (const std::size_t length : {1U, 55U, 56U, 57U, 63U, 64U, 65U, 119U, 120U, 128U, 1000U, 1024U}) {
    CAPTURE(length);
    CHECK(sha256_hex(std::string(length, 'x')) == sha256sum_of(length));
  }
}

TEST_CASE("a handle is a new random UUID each time, and its public id tells nothing but which") {
  std::set<std::string> handles;
  for (int i = 0; i < 1000; ++i) {
    handles.insert(new_handle());
  }
  CHECK(handles.size() == 1000);
  const std::string& handle = *handles.begin();
  CHECK(handle.size() == 36);
  CHECK(handle[14] == '4');
  CHECK(std::string("89ab").find(handle[19]) != std::string::npos);
  CHECK(public_id_text(handle).size() == 10);
  CHECK(handle.find(public_id_text(handle)) == std::string::npos);
  CHECK(fmt::format("{:010x}", public_id(handle)) == public_id_text(handle));
}
