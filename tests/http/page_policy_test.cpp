// SPDX-License-Identifier: Apache-2.0
// The page and the API's description as they are inside the executable, and the policy that the page is served with.
#include <doctest/doctest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "backends/http/server/page.hpp"

using lockgate::server::openapi_json;
using lockgate::server::page_html;
using lockgate::server::page_security_policy;

namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

TEST_CASE("the policy of the page names its script and its style by their SHA-256") {
  // printf %s 'alert(1)' | openssl dgst -sha256 -binary | base64; the same for an empty style
  const std::string policy = page_security_policy("<html><style></style><script>alert(1)</script>");
  CHECK(has(policy, "script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"));
  CHECK(has(policy, "style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"));
}

TEST_CASE("the policy of the page lets nothing else run, load, send or frame") {
  const std::string policy = page_security_policy(page_html());
  for (const auto* part : {"default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
                           "frame-ancestors 'none'", "require-trusted-types-for 'script'"}) {
    CAPTURE(part);
    CHECK(has(policy, part));
  }
  CHECK_FALSE(has(policy, "unsafe"));
  CHECK_FALSE(has(policy, "*"));
  CHECK_FALSE(has(policy, "http"));
  CHECK(policy.find_first_of("\r\n") == std::string::npos);
}

TEST_CASE("a page with two scripts, or none, has no policy") {
  for (const auto* html : {"<style></style>", "<style></style><script></script><script></script>", "<script></script>",
                           "<style></style></script><script>", ""}) {
    CAPTURE(html);
    CHECK_THROWS_AS(page_security_policy(html), std::logic_error);
  }
}

TEST_CASE("the page is whole, refers to no other place and makes no element out of text") {
  const std::string_view html = page_html();
  CHECK(html.starts_with("<!DOCTYPE html>\n"));
  CHECK(html.ends_with("</html>\n"));
  // A carriage return would be another script to the browser than to the one who hashed it.
  CHECK_FALSE(has(html, "\r"));
  // The one address in it is the namespace of its picture.
  std::string rest(html);
  constexpr std::string_view kNamespace = "xmlns='http://www.w3.org/2000/svg'";
  REQUIRE(has(rest, kNamespace));
  rest.erase(rest.find(kNamespace), kNamespace.size());
  for (const auto* part :
       {"http://", "https://", "src=\"", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML",
        "document.write", "eval(", "localStorage", "document.cookie", " style=\"", " onclick="}) {
    CAPTURE(part);
    CHECK_FALSE(has(rest, part));
  }
}

TEST_CASE("the API's description is whole") {
  const auto document = nlohmann::json::parse(openapi_json(), nullptr, false);
  REQUIRE(document.is_object());
  CHECK(document.at("openapi") == "3.0.3");
  CHECK(document.at("paths").contains("/v1/acquire"));
}
