# SPDX-License-Identifier: Apache-2.0
"""F28: what the keys of a terminal do to a command whose lock is at a real lock server."""

import os
import subprocess

from story import LOCKGATE, expect, tell

# These leave a hold behind that has to run out before there can be another.
LEAVERS = "under nohup*,Ctrl-C ends a script that runs lockgate in the background*"


def the_keys(stage):
    """Ctrl-C, Ctrl-Z, Ctrl-\\ and a hang-up do what they do without a lock server: the test of that, at one"""
    server = stage.serve()
    env = {**stage.env, "LOCKGATE": LOCKGATE, "LOCKGATE_TEST_PLACE": server.url}
    played = subprocess.run([os.environ["F28_TERMINAL_TEST"], "--source-file=*F28_terminal_test.cpp",
                             f"--test-case-exclude={LEAVERS}"], env=env, cwd=stage.path,
                            capture_output=True, text=True, timeout=120, check=False)
    expect(played.returncode == 0, played.stdout[-3000:] + played.stderr[-1000:])
    expect("/v1/acquire 200" in server.err, "nobody has asked the server")


if __name__ == "__main__":
    tell(the_keys)
