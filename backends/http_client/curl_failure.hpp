// SPDX-License-Identifier: Apache-2.0
// Why a call by libcurl failed, in words that help.
#pragma once

#include <string>

#include "backends/http_client/http_client.hpp"
#include "backends/http_client/http_url.hpp"

namespace lockgate {

struct FailedCall {
  int code = 0;        // a CURLcode
  int os_error = 0;    // the errno behind it, if there was one
  std::string detail;  // libcurl's own words
  bool sent = false;   // something of the request may have left
};

/// With the code that HttpClient::call() promises.
HttpFailure describe_failure(const FailedCall& failed, const HttpUrl& url, const HttpOptions& options);

}  // namespace lockgate
