#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# After a restart: a lease has its full TTL again, or the server grants nothing while it cannot know of it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs python3
PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$test_file")/restart_test.py" || fail "see above"
