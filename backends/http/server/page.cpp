// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/page.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <stdexcept>

namespace lockgate::server {
namespace {

constexpr unsigned char kPage[] = {
#include "page.html.inc"
};
constexpr unsigned char kStyle[] = {
#include "page.css.inc"
};
constexpr unsigned char kLists[] = {
#include "page_lists.js.inc"
};
constexpr unsigned char kStream[] = {
#include "page_stream.js.inc"
};
constexpr unsigned char kTable[] = {
#include "page_table.js.inc"
};
constexpr unsigned char kOpenapi[] = {
#include "openapi.json.inc"
};

template <std::size_t Size>
std::string_view text_of(const unsigned char (&bytes)[Size]) {
  return {reinterpret_cast<const char*>(bytes), Size};
}

/// page.html, with the other files where it names them.
std::string whole_page() {
  std::string page(text_of(kPage));
  const auto put = [&page](std::string_view mark, std::string_view part) {
    const auto at = page.find(mark);
    if (at == std::string::npos) {
      throw std::logic_error(fmt::format("page.html does not name {}", mark));
    }
    page.replace(at, mark.size(), part);
  };
  put("@page.css@\n", text_of(kStyle));
  put("@page_lists.js@\n", text_of(kLists));
  put("@page_stream.js@\n", text_of(kStream));
  put("@page_table.js@\n", text_of(kTable));
  return page;
}

/// What stands between the only `open` and the only `close`.
std::string_view between(std::string_view html, std::string_view open, std::string_view close) {
  const auto begin = html.find(open);
  const auto end = html.find(close);
  const bool once = begin != std::string_view::npos && html.find(open, begin + 1) == std::string_view::npos &&
                    end != std::string_view::npos && html.find(close, end + 1) == std::string_view::npos;
  if (!once || end < begin) {
    throw std::logic_error(fmt::format("the page does not have exactly one {}", open));
  }
  return html.substr(begin + open.size(), end - begin - open.size());
}

/// As a source expression of the policy: 'sha256-BASE64'.
std::string source_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    throw std::logic_error("OpenSSL has no SHA-256");
  }
  std::array<unsigned char, 4 * (EVP_MAX_MD_SIZE / 3 + 1) + 1> base64{};
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(size));
  return fmt::format("'sha256-{}'",
                     std::string_view(reinterpret_cast<const char*>(base64.data()), static_cast<std::size_t>(length)));
}

}  // namespace

std::string_view page_html() {
  static const std::string kWhole = whole_page();
  return kWhole;
}

std::string_view openapi_json() {
  return text_of(kOpenapi);
}

std::string page_security_policy(std::string_view html) {
  // img-src: the little picture in the browser's tab, which stands in the page itself.
  return fmt::format(
      "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self'; base-uri 'none'; "
      "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      source_of(between(html, "<script>", "</script>")), source_of(between(html, "<style>", "</style>")));
}

}  // namespace lockgate::server
