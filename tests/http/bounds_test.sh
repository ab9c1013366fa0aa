#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the API takes at its bounds, and how it refuses what is beyond them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs python3
PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$test_file")/bounds_test.py" || fail "see above"
