#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The description of the API and the API are the same thing.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs python3
PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$test_file")/openapi_test.py" || fail "see above"
