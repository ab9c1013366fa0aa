# SPDX-License-Identifier: Apache-2.0
"""What a restart does to leases, by the clock: a durable store gives each its full TTL again, however long the server
was away, and one that forgets grants nothing until nobody can hold what it does not know of. Run by restart_test.sh."""

import concurrent.futures
import os
import time
import uuid

from kill_play import report
from kill_server import Client, Killable

TTL = 3  # seconds: the shortest that leave a busy machine time to answer
faults = []


def expect(true, what):
    if not true:
        faults.append(what)


def wish(name, **members):
    return {"name": name, "request_id": str(uuid.uuid4()), "acquirer_id": str(uuid.uuid4()), **members}


def is_granted(reply):
    return reply[0] == 200 and reply[1]["outcome"] == "granted"


def restart(server):
    server.kill()
    server.start()
    server.listens()


def renewal(name, hold, **members):
    return {"name": name, "handle": hold["handle"], **members}


def a_durable_store_gives_each_lease_its_full_ttl_again(folder):
    with Killable(folder, "--store", f"sqlite:{folder}/locks.db") as server:
        server.start()
        server.listens()
        client = Client(server)
        kept = client.insist("acquire", wish("kept", ttl_ms=TTL * 1000))[1]
        left = client.insist("acquire", wish("left", ttl_ms=TTL * 1000))[1]
        server.kill()
        time.sleep(TTL + 0.2)  # longer than the leases: nobody can have been told that they ran out
        server.start()
        server.listens()
        status, reply = client.insist("renew", renewal("kept", kept))
        expect(status == 200 and reply["fencing_token"] == kept["fencing_token"], f"not renewed: {status} {reply}")
        expect(not is_granted(client.insist("acquire", wish("left", wait_ms=0))), "it was granted beside a live lease")
        status, reply = client.insist("acquire", wish("left", wait_ms=10_000))
        expect(is_granted((status, reply)), f"a lease that nobody renews does not run out: {reply}")
        expect(time.time() - server.started >= TTL, f"it ran out {time.time() - server.started} s after the restart, and not {TTL} s")
        expect(reply["fencing_token"] > left["fencing_token"], "the token did not grow")
        expect(client.insist("renew", renewal("left", left))[0] == 410, "it ran out, and was renewed")


def a_store_that_forgets_grants_nothing_for_the_longest_ttl(folder):
    with Killable(folder, "--store", "memory", "--max-ttl", f"{TTL}s") as server:
        server.start()
        server.listens()
        client = Client(server)
        first = client.insist("acquire", wish("alone", ttl_ms=TTL * 1000))
        expect(not is_granted(first) and 0 < first[1]["grace_ms"] <= TTL * 1000 and first[1]["note"], f"a first start: {first}")
        alone = client.insist("acquire", wish("alone", ttl_ms=TTL * 1000, wait_ms=10_000))[1]
        together = [client.insist("acquire", wish("together", mode="shared", ttl_ms=TTL * 1000))[1] for _ in range(2)]
        gone = client.insist("acquire", wish("gone", ttl_ms=TTL * 1000))[1]
        expect("handle" in alone and "handle" in gone, f"nothing is granted when it is over: {alone} {gone}")

        restart(server)
        told = {"mode": "exclusive", "fencing_token": alone["fencing_token"], "ttl_ms": TTL * 1000}
        renewed = client.insist("renew", renewal("alone", alone, **told))
        expect(renewed[0] == 200 and renewed[1]["fencing_token"] == alone["fencing_token"], f"not taken back: {renewed}")
        for hold in together:
            told = {"mode": "shared", "fencing_token": hold["fencing_token"], "ttl_ms": TTL * 1000}
            expect(client.insist("renew", renewal("together", hold, **told))[0] == 200, "a shared hold is not taken back")
        for name in ("alone", "together", "gone", "never held"):
            reply = client.insist("acquire", wish(name, mode="shared"))
            expect(not is_granted(reply) and reply[1]["grace_ms"] > 0, f"granted while it cannot know: {name} {reply}")
        # One who waits gets it when that is over, and not before. The others are held on to meanwhile.
        reply = client.insist("acquire", wish("gone", ttl_ms=TTL * 1000, wait_ms=10_000))
        away = time.time() - server.started
        expect(is_granted(reply) and away >= TTL, f"after {away} s of {TTL} s: {reply}")
        expect(reply[1]["fencing_token"] > gone["fencing_token"], "the token went back with what was forgotten")
        expect(client.insist("renew", renewal("gone", gone))[0] == 410, "two have the lock")


def what_was_taken_back_is_held(folder):
    with Killable(folder, "--store", "memory", "--max-ttl", f"{TTL}s") as server:
        server.start()
        server.listens()
        client = Client(server)
        hold = client.insist("acquire", wish("a", ttl_ms=TTL * 1000, wait_ms=10_000))[1]
        restart(server)
        # As its owner does it, until there is no grace any more.
        limit = time.monotonic() + 30
        probe = {"grace_ms": 1}
        while "grace_ms" in probe and time.monotonic() < limit:
            told = {"mode": "exclusive", "fencing_token": hold["fencing_token"], "ttl_ms": TTL * 1000}
            expect(client.insist("renew", renewal("a", hold, **told))[0] == 200, "a hold that was taken back is lost")
            probe = client.insist("acquire", wish("probe", wait_ms=200, acquirer_id="probe"))[1]
        expect(probe["outcome"] == "granted", f"nothing is granted when it is over: {probe}")
        reply = client.insist("acquire", wish("a"))
        expect(not is_granted(reply) and "grace_ms" not in reply[1], f"granted beside what was taken back: {reply}")
        expect(client.insist("renew", renewal("a", hold))[1].get("fencing_token") == hold["fencing_token"], "it is lost now")
        released = client.insist("release", renewal("a", hold, request_id="1"))
        expect(released[0] == 200, f"what was taken back cannot be given back: {released}")
        after = client.insist("acquire", wish("a"))
        expect(is_granted(after) and after[1]["fencing_token"] > hold["fencing_token"], f"after the release: {after}")


def without_grace_it_grants_at_once(folder):
    with Killable(folder, "--store", "memory", "--max-ttl", f"{TTL}s", "--no-restart-grace") as server:
        server.start()
        server.listens()
        client = Client(server)
        hold = client.insist("acquire", wish("a", ttl_ms=TTL * 1000))
        expect(is_granted(hold), f"not granted at once: {hold}")
        restart(server)
        told = {"mode": "exclusive", "fencing_token": hold[1]["fencing_token"], "ttl_ms": TTL * 1000}
        expect(client.insist("renew", renewal("a", hold[1], **told))[0] == 410, "without grace there is no taking back")
        expect(is_granted(client.insist("acquire", wish("a"))), "not granted at once after a restart")


STORIES = (a_durable_store_gives_each_lease_its_full_ttl_again, a_store_that_forgets_grants_nothing_for_the_longest_ttl,
           what_was_taken_back_is_held, without_grace_it_grants_at_once)


def tell(story):
    story(f"{os.getcwd()}/{STORIES.index(story)}")
    return story.__name__.replace("_", " ")


# They have to wait for leases, which they may do together.
with concurrent.futures.ThreadPoolExecutor(len(STORIES)) as pool:
    for name in pool.map(tell, STORIES):
        print(f"- {name}", flush=True)
report(faults)
