#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whenever the lock server is killed: what it had told its clients is so when it runs again.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs python3
PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$test_file")/kill_test.py" || fail "see above"
