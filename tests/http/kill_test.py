# SPDX-License-Identifier: Apache-2.0
"""A lock server with a durable store is killed hundreds of times while clients use it, at moments left to chance: in
commits, in answers, with requests parked, and in its own start. Run by kill_test.sh."""

import os
import random
import time

from kill_ledger import check_the_rules_themselves
from kill_play import Crowd, report, seed_of_this_run
from kill_server import Killable


def live_and_die(server, crowd, chance):
    """One life, which ends by a kill, or now and then in peace. True if it came to answer."""
    server.start()
    if chance.random() < 0.2:
        time.sleep(chance.uniform(0, 0.04))  # perhaps it reads its journal just then
        server.kill()
        return False
    server.listens()
    crowd.check_life()
    if chance.random() < 0.2:
        crowd.check_kept()
    if chance.random() < 0.5:
        server.kill_at_answer(chance.randrange(1, 80))
        crowd.wait_for_kill()
        server.kill()
        return True
    time.sleep(0.002 * 100 ** chance.random())  # 2 ms to 200 ms
    if chance.random() < 0.1:
        server.stop()  # with grants on their way, and with some that are parked
    else:
        server.kill()
    return True


def main():
    check_the_rules_themselves()
    seed = seed_of_this_run()
    chance = random.Random(seed)
    kills = int(os.environ.get("LOCKGATE_TEST_KILLS", "200"))
    begun = time.monotonic()
    with Killable(os.getcwd(), "--store", f"sqlite:{os.getcwd()}/store/locks.db") as server:
        crowd = Crowd(server, seed)
        server.start()
        server.listens()
        crowd.keep()
        crowd.start()
        server.kill()
        done = answering = 0
        while done < kills and not crowd.ledger.over.is_set():
            answering += live_and_die(server, crowd, chance)
            done += 1
        server.start()
        server.listens()
        faults = crowd.finish()
        server.stop()
    numbers = crowd.numbers()
    print(f"{done} kills, {answering} of a server that answered, in {time.monotonic() - begun:.1f} s: {numbers}", flush=True)
    if not faults and min(numbers.values()) < kills / 4:
        faults.append("too little happened for this to show anything")
    report(faults)


main()
