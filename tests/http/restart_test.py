# SPDX-License-Identifier: Apache-2.0
"""What a restart does to leases, by the clock: a durable store gives each its full TTL again, however long the server
was away, and knows what it answered; and one that forgets grants nothing until nobody can hold what it does not know
of. Run by restart_test.sh."""

import concurrent.futures
import os
import sqlite3
import time
import uuid

from kill_play import report
from kill_server import Killable, serving

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
    with serving(folder, "--store", f"sqlite:{folder}/locks.db") as (server, client):
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


def a_request_whose_hold_is_over_is_not_granted_anew(folder):
    with serving(folder, "--store", f"sqlite:{folder}/locks.db") as (server, client):
        orders = {name: wish(name, ttl_ms=2000) for name in ("released", "run out", "broken")}
        holds = {name: client.insist("acquire", order)[1] for name, order in orders.items()}
        release = renewal("released", holds["released"], request_id="r")
        expect(client.insist("release", release)[0] == 200, "it is not released")
        expect(client.insist("break", {"name": "broken"})[0] == 200, "it is not broken")
        expect(is_granted(client.insist("acquire", wish("run out", ttl_ms=2000, wait_ms=10_000))), "it does not run out")
        for when in ("before the restart", "after it", "after another one"):
            for name, order in orders.items():
                status, reply = client.insist("acquire", order)
                expect(status == 410, f"{name}, asked for again {when}: {status} {reply}")
            expect(client.insist("release", release)[0] == 200, f"the release, asked for again {when}, has another answer")
            restart(server)
        expect(is_granted(client.insist("acquire", wish("released"))), "nor is a new wish granted")


FIRST_SCHEMA = """
  CREATE TABLE hold (handle TEXT PRIMARY KEY, name TEXT NOT NULL, shared INTEGER NOT NULL, acquirer TEXT NOT NULL,
                     request TEXT NOT NULL, token INTEGER NOT NULL, ttl_ms INTEGER NOT NULL, since_us INTEGER NOT NULL,
                     host TEXT NOT NULL, pid INTEGER, user TEXT NOT NULL, command TEXT NOT NULL, reason TEXT NOT NULL,
                     value TEXT, principal TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE release (forget_us INTEGER NOT NULL, handle TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL,
                        PRIMARY KEY (forget_us, handle)) WITHOUT ROWID;
  CREATE TABLE token_floor (one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO hold VALUES ('held', 'a', 0, 'id', 'asked', 77, 15000, 1, 'host', 4711, 'user', 'make', '', 'v', '');
  INSERT INTO release VALUES (2000000000000000, 'given back', 'b', 'release');
  INSERT INTO token_floor VALUES (1, 9000000000000000);
  PRAGMA application_id = 0x6C6B6774;
  PRAGMA user_version = 1;
"""


def a_store_of_the_first_kind_is_taken_over(folder):
    # Also where the server is killed in the middle of that, and at its end.
    os.makedirs(folder)
    store = f"{folder}/locks.db"
    with sqlite3.connect(store) as database:
        database.executescript(FIRST_SCHEMA)
    database.close()
    with Killable(folder, "--store", f"sqlite:{store}", program=os.environ["LOCKGATE_FAILING"]) as server:
        for failpoint in ("making:tables", "making:committed"):
            server.start(LOCKGATE_TEST_FAILPOINT=f"{failpoint}:1")
            expect(not server.listens(), f"it is not killed at {failpoint}")
            server.kill()
    for life in ("first", "second"):
        with serving(folder, "--store", f"sqlite:{store}") as (server, client):
            again = client.insist("acquire", {"name": "a", "request_id": "asked"})
            expect(is_granted(again) and (again[1]["handle"], again[1]["fencing_token"]) == ("held", 77), f"{life} life: {again}")
            state = client.ask("GET", "/v1/locks?name=a")[1]["locks"][0]["holders"][0]
            expect((state["pid"], state["command"], state["value"]) == (4711, "make", "v"), f"{life} life: {state}")
            release = client.insist("release", {"name": "b", "handle": "given back", "request_id": "release"})
            expect(release[0] == 200, f"{life} life: a release has another answer: {release}")
            token = client.insist("acquire", wish(f"{life} life"))[1]["fencing_token"]
            expect(token > 9000000000000000, f"{life} life: the tokens went back to {token}")
            server.stop()


def a_store_that_forgets_grants_nothing_for_the_longest_ttl(folder):
    with serving(folder, "--store", "memory", "--max-ttl", f"{TTL}s") as (server, client):
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
    with serving(folder, "--store", "memory", "--max-ttl", f"{TTL}s") as (server, client):
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
    with serving(folder, "--store", "memory", "--max-ttl", f"{TTL}s", "--no-restart-grace") as (server, client):
        hold = client.insist("acquire", wish("a", ttl_ms=TTL * 1000))
        expect(is_granted(hold), f"not granted at once: {hold}")
        restart(server)
        told = {"mode": "exclusive", "fencing_token": hold[1]["fencing_token"], "ttl_ms": TTL * 1000}
        expect(client.insist("renew", renewal("a", hold[1], **told))[0] == 410, "without grace there is no taking back")
        expect(is_granted(client.insist("acquire", wish("a"))), "not granted at once after a restart")


STORIES = (a_durable_store_gives_each_lease_its_full_ttl_again, a_request_whose_hold_is_over_is_not_granted_anew,
           a_store_of_the_first_kind_is_taken_over, a_store_that_forgets_grants_nothing_for_the_longest_ttl,
           what_was_taken_back_is_held, without_grace_it_grants_at_once)


def tell(story):
    story(f"{os.getcwd()}/{STORIES.index(story)}")
    return story.__name__.replace("_", " ")


# They have to wait for leases, which they may do together.
with concurrent.futures.ThreadPoolExecutor(len(STORIES)) as pool:
    for name in pool.map(tell, STORIES):
        print(f"- {name}", flush=True)
report(faults)
