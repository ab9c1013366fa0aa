#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# story.sh NAME: plays the story NAME.py. 77: what it needs cannot be had here, which is said.
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec python3 "$(dirname "$0")/$1.py"
