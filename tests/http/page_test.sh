#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The server's page in a real browser, in front of a real server.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs python3 chromium chromedriver
PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$test_file")/page_test.py" || fail "see above"
