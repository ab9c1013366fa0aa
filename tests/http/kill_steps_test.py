# SPDX-License-Identifier: Apache-2.0
"""A lock server is killed at each step of its journal for which the source has a failpoint, at the first passing and at
later ones, while clients use it. Run by kill_steps_test.sh."""

import glob
import os
import re
import sys
import time

from kill_play import Crowd, report, seed_of_this_run
from kill_server import Client, Killable

SOURCES = os.path.join(os.environ["SOURCE_DIR"], "backends/http/server")


def failpoints():
    """As the source has them, so that none is left out here."""
    found = set()
    for path in glob.glob(f"{SOURCES}/*.cpp"):
        with open(path, encoding="utf-8") as file:
            found.update(re.findall(r'\bfailpoint\("([^"]+)"\)', file.read()))
    with open(f"{SOURCES}/failpoint.hpp", encoding="utf-8") as file:
        told = set(re.findall(r"^//   (\w+:\w+) ", file.read(), re.MULTILINE))
    if not found or found != told:
        sys.exit(f"FAILED: failpoint.hpp tells of {sorted(told)}, and there are {sorted(found)}")
    return sorted(found)


def shipped_server_has_no_such_door(name, folder):
    with Killable(folder, "--store", f"sqlite:{folder}/locks.db") as server:
        server.start(LOCKGATE_TEST_FAILPOINT=f"{name}:1")
        if not server.listens():
            return [f"the server that is shipped can be killed at {name}"]
        order = {"name": "a", "request_id": "1"}
        status, _ = Client(server).insist("acquire", order)
        server.stop()
        return [] if status == 200 else [f"the server that is shipped fails at {name}"]


def walk(name, folder, counts, seed):
    """A new store, and for each count one life that ends there and one that shows what is left."""
    with Killable(folder, "--store", f"sqlite:{folder}/locks.db", program=os.environ["LOCKGATE_FAILING"]) as server:
        crowd = Crowd(server, seed)
        crowd.start()
        for count in counts:
            server.start(LOCKGATE_TEST_FAILPOINT=f"{name}:{count}")
            server.listens()
            if not crowd.wait_for_kill():
                break
            server.bury()
            server.start()
            server.listens()
            if not crowd.kept:
                crowd.keep()
            crowd.check_life()
            crowd.check_kept()
            if count == counts[-1]:
                crowd.finish()
                server.stop()
            else:
                server.kill()
        return crowd.ledger.faults, crowd.numbers()


def main():
    seed = seed_of_this_run()
    counts = [int(count) for count in os.environ.get("LOCKGATE_TEST_COUNTS", "1,2,3,5,8,13,21,34").split(",")]
    faults = []
    for number, name in enumerate(failpoints()):
        begun = time.monotonic()
        faults += shipped_server_has_no_such_door(name, f"{os.getcwd()}/shipped-{number}")
        # A journal is made once.
        found, numbers = walk(name, f"{os.getcwd()}/{number}", [1] if name.startswith("making:") else counts, seed)
        faults += [f"killed at {name}: {what}" for what in found]
        print(f"{name}, in {time.monotonic() - begun:.1f} s: {numbers}", flush=True)
    report(faults)


main()
