// SPDX-License-Identifier: Apache-2.0
// Stand-ins for what libcurl's archive would have from other libraries (cmake/curl.cmake): protocols, ways to
// authenticate and encodings that no call of ours asks for (curl_setup.cpp). What libcurl may come to all the same is
// answered with a failure here; for the rest, getting there is a bug, and ends the process rather than go on somehow.
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace {

[[noreturn]] void left_out(std::string_view name) {
  constexpr std::string_view kBefore = "lockgate: internal error: libcurl needs ";
  constexpr std::string_view kAfter = ", which is left out\n";
  for (const auto text : {kBefore, name, kAfter}) {
    (void)!::write(STDERR_FILENO, text.data(), text.size());
  }
  std::abort();
}

}  // namespace

// NOLINTBEGIN: the names are theirs, and the types of what is never called do not matter.
#define LEFT_OUT(name)     \
  extern "C" void name() { \
    left_out(#name);       \
  }
#include "left_out.inc"

extern "C" {

extern void* GSS_C_NT_HOSTBASED_SERVICE;
void* GSS_C_NT_HOSTBASED_SERVICE = nullptr;

// Called whenever libcurl starts and ends.
int libssh2_init(int /*flags*/) {
  return 0;
}
void libssh2_exit() {
}

// For HTTP/2 that was not offered: as if memory were short, which ends the call.
int nghttp2_session_callbacks_new(void** /*callbacks*/) {
  return -901;  // NGHTTP2_ERR_NOMEM
}

// An answer that is compressed without having been asked for gets as far as a decoder. Our header callback, which comes
// next, refuses it, and the decoder is thrown away unused.
const char* zlibVersion() {
  return "0";
}
int inflateInit_(void* /*stream*/, const char* /*version*/, int /*size*/) {
  return 0;
}
int inflateInit2_(void* /*stream*/, int /*bits*/, const char* /*version*/, int /*size*/) {
  return 0;
}
int inflateEnd(void* /*stream*/) {
  return 0;
}
char lockgate_no_decoder;
void* BrotliDecoderCreateInstance(void* /*alloc*/, void* /*free*/, void* /*opaque*/) {
  return &lockgate_no_decoder;
}
void BrotliDecoderDestroyInstance(void* /*decoder*/) {
}
void* ZSTD_createDStream() {
  return &lockgate_no_decoder;
}
std::size_t ZSTD_freeDStream(void* /*decoder*/) {
  return 0;
}

}  // extern "C"
// NOLINTEND
