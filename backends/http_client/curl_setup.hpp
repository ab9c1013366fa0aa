// SPDX-License-Identifier: Apache-2.0
// libcurl set up as every call of ours is to be: what it may do, what it may not, and what it must not leave open.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <optional>
#include <string>

#include "backends/http_client/http_client.hpp"
#include "backends/http_client/http_url.hpp"

namespace lockgate {

struct CurlEnd {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct CurlEasyEnd {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using CurlMulti = std::unique_ptr<CURLM, CurlEnd>;
using CurlEasy = std::unique_ptr<CURL, CurlEasyEnd>;
using CurlHeaders = std::unique_ptr<curl_slist, CurlEnd>;

/// Once a process; again does nothing. Any thread.
void start_curl();

/// Its own descriptors are closed by exec.
CurlMulti make_multi();
/// With all that stays the same from call to call.
CurlEasy make_easy(const HttpUrl& url, const HttpOptions& options);
/// `localhost` is this host, whatever a resolver says: for CURLOPT_RESOLVE, and to live as long as the easy handle.
CurlHeaders pin_localhost(const HttpUrl& url);
/// What this call is. The headers must live until it is over.
CurlHeaders prepare(CURL* easy, const HttpUrl& url, const HttpCall& call, const std::string& token);

/// Throws Error(config or not_allowed) for files that cannot be read.
void check_tls_files(const HttpOptions& options);

/// The environment variable that puts a proxy in between; empty if none does.
std::optional<std::string> proxy_variable(const HttpUrl& url);

/// While it lives, writing to a connection that the peer has closed sends this thread no SIGPIPE. libcurl would have
/// the whole process ignore that signal, and a command started meanwhile by another thread would inherit that.
class NoBrokenPipe {
 public:
  NoBrokenPipe();
  ~NoBrokenPipe();
  NoBrokenPipe(const NoBrokenPipe&) = delete;
  NoBrokenPipe& operator=(const NoBrokenPipe&) = delete;

 private:
  bool was_open_ = false;  // SIGPIPE was neither blocked nor pending
};

/// An easy handle while the multi handle has it. Taking it out in the middle of a call closes the connection.
class Attached {
 public:
  Attached(CURLM* multi, CURL* easy) : multi_(multi), easy_(easy) { curl_multi_add_handle(multi_, easy_); }
  ~Attached() { curl_multi_remove_handle(multi_, easy_); }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

  /// How the finished call ended.
  [[nodiscard]] CURLcode result() const;

 private:
  CURLM* multi_;
  CURL* easy_;
};

}  // namespace lockgate
