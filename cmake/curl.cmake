# SPDX-License-Identifier: Apache-2.0
# lockgate_curl: libcurl from its archive where that can be linked, else as CURL::libcurl has it. The shared library of a
# distribution brings what it needs for LDAP, SSH, Kerberos, RTMP, HTTP/2 and compression: some thirty libraries, which
# took more than half of the time of an uncontended `lockgate exec` and made each of its forks slow. Nothing of that is
# ever asked for (curl_setup.cpp), so the archive gets stand-ins for it. OpenSSL stays a shared library, which the
# distribution mends.
set(left_out_prefixes "ldap_|ber_|gss_|GSS_C_|libssh2_|RTMP_|nghttp2_|idn2_|psl_|Brotli|ZSTD_|inflate|zlibVersion")
# Those that left_out.cpp has itself.
set(left_out_answered GSS_C_NT_HOSTBASED_SERVICE libssh2_init libssh2_exit nghttp2_session_callbacks_new zlibVersion
  inflateInit_ inflateInit2_ inflateEnd BrotliDecoderCreateInstance BrotliDecoderDestroyInstance
  ZSTD_createDStream ZSTD_freeDStream)
add_library(lockgate_curl INTERFACE)

# curl_stand_ins(ARCHIVE FILE): FILE gets a line LEFT_OUT(name) for each of the names that ARCHIVE looks for there.
function(curl_stand_ins archive file)
  execute_process(COMMAND ${CMAKE_NM} -P -u ${archive} OUTPUT_VARIABLE symbols ERROR_QUIET)
  string(REGEX MATCHALL "(^|\n)(${left_out_prefixes})[A-Za-z0-9_]*" names "${symbols}")
  string(REGEX REPLACE "\n" "" names "${names}")
  list(REMOVE_DUPLICATES names)
  list(REMOVE_ITEM names ${left_out_answered})
  list(SORT names)
  list(TRANSFORM names REPLACE "(.+)" "LEFT_OUT(\\1)\n")
  string(JOIN "" text ${names})
  file(GENERATE OUTPUT ${file} CONTENT "${text}")
  file(WRITE ${PROJECT_BINARY_DIR}/curl_probe/left_out.inc "${text}")
endfunction()

find_library(LOCKGATE_CURL_ARCHIVE NAMES libcurl.a)
if(LOCKGATE_CURL_ARCHIVE AND CMAKE_NM AND NOT LOCKGATE_SANITIZER)
  set(left_out ${PROJECT_SOURCE_DIR}/backends/http_client/left_out.cpp)
  curl_stand_ins(${LOCKGATE_CURL_ARCHIVE} ${PROJECT_BINARY_DIR}/curl/left_out.inc)
  file(WRITE ${PROJECT_BINARY_DIR}/curl_probe/probe.cpp
       "#include <curl/curl.h>\nint main() { return curl_easy_init() == nullptr; }\n")
  try_compile(LOCKGATE_CURL_ARCHIVE_LINKS ${PROJECT_BINARY_DIR}/curl_probe
    SOURCES ${PROJECT_BINARY_DIR}/curl_probe/probe.cpp ${left_out}
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${PROJECT_BINARY_DIR}/curl_probe;${CURL_INCLUDE_DIRS}"
    LINK_LIBRARIES ${LOCKGATE_CURL_ARCHIVE} OpenSSL::SSL OpenSSL::Crypto Threads::Threads
    CXX_STANDARD 20)
endif()

if(LOCKGATE_CURL_ARCHIVE_LINKS)
  add_library(lockgate_curl_left_out STATIC ${left_out})
  target_include_directories(lockgate_curl_left_out PRIVATE ${PROJECT_BINARY_DIR}/curl)
  target_link_libraries(lockgate_curl_left_out PRIVATE lockgate_settings)
  target_include_directories(lockgate_curl SYSTEM INTERFACE ${CURL_INCLUDE_DIRS})
  target_link_libraries(lockgate_curl INTERFACE
    ${LOCKGATE_CURL_ARCHIVE} lockgate_curl_left_out OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
  message(STATUS "libcurl: ${LOCKGATE_CURL_ARCHIVE}")
else()
  target_link_libraries(lockgate_curl INTERFACE CURL::libcurl)
  message(STATUS "libcurl: shared")
endif()
