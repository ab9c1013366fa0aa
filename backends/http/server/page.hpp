// SPDX-License-Identifier: Apache-2.0
// What the server shows to people and tools as it is: the page at `/` and the description of the API. Both are part of
// the executable.
#pragma once

#include <string>
#include <string_view>

namespace lockgate::server {

/// page.html, page.css and page_*.js as one.
std::string_view page_html();

/// openapi.json.
std::string_view openapi_json();

/// The Content-Security-Policy for a page with one <script> and one <style>: those two run, known by their digests, and
/// they may talk to the server they came from. Nothing else is loaded, sent, framed or run. Throws std::logic_error
/// where the page does not have exactly one of each.
std::string page_security_policy(std::string_view html);

}  // namespace lockgate::server
