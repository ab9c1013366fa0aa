// SPDX-License-Identifier: Apache-2.0
#include "backends/http_client/curl_setup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <mutex>

#include "core/error.hpp"
#include "core/text.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {
namespace {

constexpr int kDeadPeer = 20;      // seconds without an acknowledgement after which a connection is given up
constexpr long kConnect = 10'000;  // ms for a connection, where the call itself has no limit

/// libcurl makes its sockets without CLOEXEC, and the command would inherit them.
curl_socket_t open_socket(void* /*user*/, curlsocktype /*purpose*/, curl_sockaddr* address) {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/// A peer that vanished is noticed while a request is parked, and while what was sent is not acknowledged.
int tune_socket(void* /*user*/, curl_socket_t fd, curlsocktype /*purpose*/) {
  const unsigned limit = kDeadPeer * 1000;
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);  // no matter if it is a UNIX socket
  return CURL_SOCKOPT_OK;
}

void set_transport(CURL* easy, const HttpUrl& url) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // do not wait for a name server that nobody waits for any more
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnect);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, static_cast<long>(kDeadPeer / 2));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, static_cast<long>(kDeadPeer / 4));
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, tune_socket);
  if (url.is_loopback()) {
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");  // a proxy would be another host, which the token is not for
  }
  if (url.scheme == HttpUrl::Scheme::unix_socket) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, url.socket.c_str());
  }
}

void set_rules(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));  // no token for a proxy
  curl_easy_setopt(easy, CURLOPT_SOCKS5_AUTH, CURLAUTH_BASIC);                        // Kerberos is left out
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void set_tls(CURL* easy, const HttpOptions& options) {
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);  // authorities that were replaced are to be taken up
  if (!options.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);  // these authorities and no others
  }
  if (!options.cert_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, options.cert_file.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLKEY, options.key_file.c_str());
  }
}

sigset_t only_sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

void add(CurlHeaders& headers, const std::string& line) {
  curl_slist* const before = headers.release();
  curl_slist* const longer = curl_slist_append(before, line.c_str());
  headers.reset(longer == nullptr ? before : longer);
  if (longer == nullptr) {
    throw std::bad_alloc();
  }
}

void check_readable(const std::string& what, const std::string& path) {
  if (!path.empty() && ::access(path.c_str(), R_OK) != 0) {
    const int error = errno;
    throw Error(error == EACCES ? ExitCode::not_allowed : ExitCode::config,
                fmt::format("the {} {} cannot be read: {}", what, quote(path), errno_text(error)));
  }
}

}  // namespace

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] {
    // libcurl would write the keys of every TLS session into that file. Our commands get the variable as it was.
    constexpr auto kKeyLog = "SSLKEYLOGFILE";
    const char* value = std::getenv(kKeyLog);
    const std::optional<std::string> key_log = value == nullptr ? std::nullopt : std::optional<std::string>(value);
    ::unsetenv(kKeyLog);
    const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (key_log) {
      ::setenv(kKeyLog, key_log->c_str(), 1);
    }
    if (code != CURLE_OK) {
      throw Error(ExitCode::internal, std::string("libcurl does not start: ") + curl_easy_strerror(code));
    }
  });
}

CurlMulti make_multi() {
  // A multi handle makes a pair of sockets without CLOEXEC. The kernel gives out the lowest free numbers: the two that
  // are free now.
  std::array<int, 2> lowest{};
  {
    const UniqueFd first(::eventfd(0, EFD_CLOEXEC));
    const UniqueFd second(::eventfd(0, EFD_CLOEXEC));
    lowest = {first.get(), second.get()};
  }
  CurlMulti multi(curl_multi_init());
  if (!multi) {
    throw std::bad_alloc();
  }
  for (const int fd : lowest) {
    struct stat found {};
    if (fd >= 0 && ::fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode)) {
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
  return multi;
}

CurlEasy make_easy(const HttpUrl& url, const HttpOptions& options) {
  CurlEasy easy(curl_easy_init());
  if (!easy) {
    throw std::bad_alloc();
  }
  set_rules(easy.get());
  set_transport(easy.get(), url);
  set_tls(easy.get(), options);
  curl_easy_setopt(easy.get(), CURLOPT_USERAGENT, options.user_agent.c_str());
  return easy;
}

CurlHeaders pin_localhost(const HttpUrl& url) {
  return CurlHeaders(curl_slist_append(nullptr, fmt::format("localhost:{}:127.0.0.1,[::1]", url.port).c_str()));
}

CurlHeaders prepare(CURL* easy, const HttpUrl& url, const HttpCall& call, const std::string& token) {
  curl_easy_setopt(easy, CURLOPT_URL, (url.base() + call.path).c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);  // forgets the body of the last call
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, nullptr);
  if (call.method == "POST" || !call.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, call.body.c_str());
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
  }
  if (call.method != "GET" && call.method != "POST") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call.method.c_str());
  }
  CurlHeaders headers;
  add(headers, "Expect:");
  bool has_type = false;
  for (const auto& [name, value] : call.headers) {
    has_type = has_type || name == "Content-Type";
    add(headers, fmt::format("{}: {}", name, value));
  }
  if (!call.body.empty() && !has_type) {
    add(headers, "Content-Type: application/json");
  }
  if (!token.empty()) {
    add(headers, "Authorization: Bearer " + token);
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  return headers;
}

void check_tls_files(const HttpOptions& options) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    throw Error(ExitCode::config, "a client certificate needs both its certificate and its key", "--cert and --key");
  }
  check_readable("file of authorities", options.ca_file);
  check_readable("certificate", options.cert_file);
  check_readable("key", options.key_file);
}

std::optional<std::string> proxy_variable(const HttpUrl& url) {
  if (url.is_loopback()) {
    return std::nullopt;
  }
  // libcurl takes no HTTP_PROXY in capitals: a web server would set that from a request's Proxy header.
  const bool tls = url.scheme == HttpUrl::Scheme::https;
  for (const char* name : {tls ? "https_proxy" : "http_proxy", tls ? "HTTPS_PROXY" : "all_proxy",
                           tls ? "all_proxy" : "ALL_PROXY", "ALL_PROXY"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
      return name;
    }
  }
  return std::nullopt;
}

NoBrokenPipe::NoBrokenPipe() {
  sigset_t pending;
  sigset_t before;
  sigpending(&pending);
  const sigset_t pipe = only_sigpipe();
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  was_open_ = sigismember(&before, SIGPIPE) == 0 && sigismember(&pending, SIGPIPE) == 0;
}

NoBrokenPipe::~NoBrokenPipe() {
  if (was_open_) {
    const sigset_t pipe = only_sigpipe();
    const timespec at_once{};
    sigtimedwait(&pipe, nullptr, &at_once);
    pthread_sigmask(SIG_UNBLOCK, &pipe, nullptr);
  }
}

CURLcode Attached::result() const {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE && message->easy_handle == easy_) {
      return message->data.result;
    }
  }
  return CURLE_GOT_NOTHING;
}

}  // namespace lockgate
