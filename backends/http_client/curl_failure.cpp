// SPDX-License-Identifier: Apache-2.0
#include "backends/http_client/curl_failure.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/text.hpp"

namespace lockgate {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// As part of a sentence: "Connection refused" is "connection refused", "SSL" stays.
std::string in_sentence(std::string text) {
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

/// libcurl's words without what it puts before OpenSSL's reason.
std::string reason(std::string detail) {
  for (const std::string_view prefix : {"SSL certificate problem: ", "SSL: "}) {
    if (detail.starts_with(prefix)) {
      detail.erase(0, prefix.size());
    }
  }
  // "OpenSSL SSL_read: OpenSSL/3.0.22: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0"
  if (const std::size_t code = detail.rfind("::"); code != std::string::npos && has(detail, "error:")) {
    detail.erase(0, code + 2);
    detail.erase(std::min(detail.find(", errno"), detail.size()));
  }
  return printable(detail);
}

Error unreachable(const HttpUrl& url, const std::string& why, std::string next_step) {
  return {ExitCode::unavailable, fmt::format("cannot reach {}: {}", url.text(), why), std::move(next_step)};
}

Error no_connection(const FailedCall& failed, const HttpUrl& url) {
  const std::string why =
      failed.os_error != 0 ? in_sentence(errno_text(failed.os_error)) : in_sentence(printable(failed.detail));
  return unreachable(url, why.empty() ? "no connection" : why, "is the server running there? --url says where it is");
}

Error not_verified(const FailedCall& failed, const HttpUrl& url, const HttpOptions& options) {
  const std::string why = reason(failed.detail);
  std::string next_step;
  if (has(why, "issuer") || has(why, "self-signed") || has(why, "self signed")) {
    next_step = options.ca_file.empty()
                    ? "--cacert names the file of the authority that signed it"
                    : fmt::format("{} holds another authority than the one that signed it", quote(options.ca_file));
  } else if (has(why, "expired") || has(why, "not yet valid")) {
    next_step = "look at the clocks of both hosts, and have the certificate renewed";
  } else if (has(why, "does not match") || has(why, "no alternative certificate subject name")) {
    next_step = "use a name in the URL that the certificate was made for";
  }
  return {ExitCode::not_allowed, fmt::format("the certificate of {} does not verify: {}", url.text(), why),
          std::move(next_step)};
}

/// A handshake that failed for another reason than the server's certificate.
Error no_handshake(const FailedCall& failed, const HttpUrl& url, const HttpOptions& options) {
  const std::string why = reason(failed.detail);
  if (has(why, "wrong version number") || has(why, "http request")) {
    return {ExitCode::not_understood, fmt::format("{} does not speak TLS", url.text()),
            "if it is meant to be without encryption, its URL begins with http://"};
  }
  if (has(why, "alert") || has(why, "unsupported protocol") || has(why, "protocol version")) {
    const bool wants_certificate = has(why, "certificate") || has(why, "unknown ca") || has(why, "handshake failure");
    return {ExitCode::not_allowed, fmt::format("no TLS with {}: {}", url.text(), why),
            !wants_certificate          ? "lockgate speaks TLS 1.2 and newer"
            : options.cert_file.empty() ? "the server may want a certificate of the client: --cert and --key"
                                        : "the server does not take the certificate of --cert"};
  }
  return unreachable(url, "no TLS: " + why, "");
}

Error bad_files(const FailedCall& failed, const HttpOptions& options) {
  const bool authority = failed.code == CURLE_SSL_CACERT_BADFILE;
  return {ExitCode::config,
          authority
              ? fmt::format("the authorities in {} cannot be used: {}", quote(options.ca_file), reason(failed.detail))
              : fmt::format("the certificate {} and its key {} cannot be used: {}", quote(options.cert_file),
                            quote(options.key_file), reason(failed.detail))};
}

Error classify(const FailedCall& failed, const HttpUrl& url, const HttpOptions& options) {
  switch (failed.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return unreachable(url, fmt::format("the name {} cannot be resolved", quote(url.host)),
                         "look at --url and at the network");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return unreachable(url, "the name of the proxy cannot be resolved", "http_proxy and https_proxy name it");
    case CURLE_COULDNT_CONNECT:
      return no_connection(failed, url);
    case CURLE_OPERATION_TIMEDOUT:
      return unreachable(url, "no connection in time", "is the server running there? --url says where it is");
    case CURLE_PEER_FAILED_VERIFICATION:
      return not_verified(failed, url, options);
    case CURLE_SSL_CONNECT_ERROR:
      return no_handshake(failed, url, options);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return bad_files(failed, options);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return {ExitCode::not_understood,
              fmt::format("{} answered what is no HTTP: {}", url.text(), in_sentence(printable(failed.detail)))};
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      if (url.scheme == HttpUrl::Scheme::https && has(failed.detail, "alert")) {
        return no_handshake(failed, url, options);  // TLS 1.3: the server's "no" comes after our half of it is done
      }
      break;
    default:
      break;
  }
  std::string why = in_sentence(failed.os_error != 0 ? errno_text(failed.os_error) : printable(failed.detail));
  if (failed.code == CURLE_ABORTED_BY_CALLBACK) {
    why = "it had been closed";  // and what was sent on it was not to be sent again
  } else if (why.empty()) {
    why = in_sentence(curl_easy_strerror(static_cast<CURLcode>(failed.code)));
  }
  return {ExitCode::unavailable,
          fmt::format("the connection to {} broke before there was an answer: {}", url.text(), why)};
}

}  // namespace

HttpFailure describe_failure(const FailedCall& failed, const HttpUrl& url, const HttpOptions& options) {
  return {classify(failed, url, options), !failed.sent};
}

}  // namespace lockgate
