# SPDX-License-Identifier: Apache-2.0
"""Clients of a lock server that go on through all of its lives, and demand that what they were told is so."""

import os
import random
import sys
import threading
import time
import uuid

from kill_ledger import Ledger
from kill_server import PATIENCE, Client


class Worker(threading.Thread):
    """Takes locks and gives them back, and demands that what it was told is so."""

    def __init__(self, number, names, server, ledger, seed):
        super().__init__(daemon=True)
        self.names = names
        self.ledger = ledger
        self.client = Client(server)
        self.random = random.Random(f"{seed}-{number}")
        self.acquirer = f"worker-{number}"
        self.rounds = 0
        self.parked = 0   # grants out of the queue
        self.repeats = 0  # of requests that had been answered

    def run(self):
        try:
            while not self.ledger.over.is_set():
                self.round()
                self.rounds += 1
        except Exception as error:  # pylint: disable=broad-except
            self.ledger.fault(f"{self.acquirer}: {error!r}")

    def chance(self, share):
        return self.random.random() < share

    def round(self):
        order = {"name": self.random.choice(self.names), "mode": self.random.choice(("exclusive", "exclusive", "shared")),
                 "request_id": str(uuid.uuid4()), "acquirer_id": self.acquirer,
                 "ttl_ms": self.random.choice((20_000, 60_000)), "wait_ms": self.random.choice((0, 50, 500))}
        hold = self.acquire(order)
        if hold is None:
            return
        for _ in range(self.random.randrange(4)):
            if self.chance(0.4):
                self.renew(hold)
            elif self.chance(0.6):
                self.set_value(hold)
            else:
                self.repeat(order, hold)
        self.release(hold)
        if self.chance(0.2):
            self.demand("acquire", order, 410, hold)  # the same request is not granted anew, whenever it comes
            self.repeats += 1

    def acquire(self, order):
        asked = time.monotonic()
        while True:
            if self.chance(0.1):
                self.client.send_and_hang_up("acquire", order)
            sent = time.monotonic()
            status, reply = self.client.insist("acquire", order)
            if status == 200 and reply["outcome"] == "granted":
                self.parked += reply["waited"]
                if not reply["waited"] or self.confirm(order, reply, sent):
                    return self.ledger.granted(order, reply, asked)
                status = 410
            if status == 410:
                # It was granted while nobody heard of it, and given back after a while: a new wish.
                with self.ledger.mutex:
                    self.ledger.unheard += 1
                order["request_id"] = str(uuid.uuid4())
                continue
            if status != 200 or reply["outcome"] != "wait":
                self.ledger.fault(f"{status} {reply} to {order}")
                return None
            if order["wait_ms"] == 0 or self.chance(0.3) or self.ledger.over.is_set():
                self.client.insist("leave", {"name": order["name"], "acquirer_id": self.acquirer})
                return None

    def confirm(self, order, reply, sent):
        """As a client does before it counts on a grant that came out of the queue, or was asked for again."""
        status, renewed = self.client.insist("renew", {"name": order["name"], "handle": reply["handle"]})
        if status != 200 and time.monotonic() - sent < reply["ttl_ms"] / 1000:
            self.ledger.fault(f"{status} {renewed} to the first renewal of {reply}")
        return status == 200

    def demand(self, what, body, status, hold):
        found, reply = self.client.insist(what, body)
        if found != status:
            self.ledger.fault(f"{what}: {found} {reply}, and not {status}: {hold}")
        return reply

    def renew(self, hold):
        reply = self.demand("renew", {"name": hold.name, "handle": hold.handle}, 200, hold)
        if reply.get("fencing_token") != hold.token or reply.get("ttl_ms") != hold.ttl * 1000:
            self.ledger.fault(f"renewed as {reply}: {hold}")

    def set_value(self, hold):
        value = self.random.choice((None, f"value {self.rounds}", "x" * self.random.randrange(5000)))
        with self.ledger.mutex:
            hold.changes += 1
        self.demand("value", {"name": hold.name, "handle": hold.handle, "value": value}, 200, hold)
        with self.ledger.mutex:
            hold.value = value
            hold.changes += 1

    def repeat(self, order, hold):
        """The same request again has the same answer while the hold lives."""
        reply = self.demand("acquire", order, 200, hold)
        self.repeats += 1
        if (reply.get("handle"), reply.get("fencing_token")) != (hold.handle, hold.token):
            self.ledger.fault(f"asked again, it is {reply}: {hold}")

    def release(self, hold):
        body = {"name": hold.name, "handle": hold.handle, "request_id": str(uuid.uuid4())}
        with self.ledger.mutex:
            hold.given_back = time.monotonic()
        if self.chance(0.1):
            self.client.send_and_hang_up("release", body)
        self.demand("release", body, 200, hold)
        with self.ledger.mutex:
            hold.is_released = True
        if self.chance(0.2):
            self.demand("release", body, 200, hold)  # the same request
            self.repeats += 1
        if self.chance(0.2):
            self.demand("release", {**body, "request_id": str(uuid.uuid4())}, 410, hold)
        if self.chance(0.2):
            self.demand("renew", {"name": hold.name, "handle": hold.handle}, 410, hold)


class Crowd:
    """Workers on a few locks, and holds that stay for all of the server's lives."""

    NAMES = [f"lock {number}" for number in range(4)]

    def __init__(self, server, seed, size=12):
        self.server = server
        self.ledger = Ledger()
        self.workers = [Worker(number, self.NAMES, server, self.ledger, seed) for number in range(size)]
        self.keeper = Worker("keeper", ["kept"], server, self.ledger, seed)
        self.kept = []

    def start(self):
        for worker in self.workers:
            worker.start()

    def keep(self):
        """Called while the server listens."""
        for name, mode in (("kept alone", "exclusive"), ("kept together", "shared"), ("kept together", "shared")):
            order = {"name": name, "mode": mode, "request_id": str(uuid.uuid4()), "acquirer_id": str(uuid.uuid4()),
                     "ttl_ms": 3_600_000, "wait_ms": 0}
            self.kept.append((order, self.keeper.acquire(order)))

    def check_life(self):
        self.ledger.check_life(self.server, Client(self.server))

    def check_kept(self):
        """Each still has its handle, token and value; and gets another value for the next life."""
        for order, hold in self.kept:
            self.keeper.renew(hold)
            self.keeper.repeat(order, hold)
            self.keeper.set_value(hold)

    def wait_for_kill(self):
        """By whatever is to kill the server while it is used. False: something was found wrong before, and nobody uses it."""
        limit = time.monotonic() + PATIENCE
        while self.server.process.poll() is None:
            if self.ledger.over.wait(0.002):
                return False
            if time.monotonic() > limit:
                self.ledger.fault("nothing kills it")
        return True

    def finish(self):
        """Called while the server listens. What was found wrong."""
        self.check_life()
        self.ledger.over.set()
        for worker in self.workers:
            worker.join(PATIENCE)
            if worker.is_alive():
                self.ledger.fault(f"{worker.acquirer} does not come to an end")
        for _, hold in self.kept:
            self.keeper.release(hold)
        self.check_life()
        self.check_free()
        self.ledger.check_all()
        return self.ledger.faults

    def check_free(self):
        """No request was granted twice: after the last release nothing is held. What a client hung up on goes by itself."""
        limit = time.monotonic() + 20
        while not self.ledger.faults:
            _, listed = Client(self.server).ask("GET", "/v1/locks")
            left = [lock for lock in listed["locks"] if lock["holders"]]
            if sum(len(lock["holders"]) for lock in left) <= self.ledger.unheard:
                return
            if time.monotonic() > limit:
                self.ledger.fault(f"all was given back, and this is left: {left}")
                return
            time.sleep(0.05)

    def numbers(self):
        def total(what):
            return sum(what(worker) for worker in self.workers)

        return {"grants": len(self.ledger.holds), "out of the queue": total(lambda w: w.parked),
                "answers lost": total(lambda w: w.client.lost), "asked again": total(lambda w: w.repeats)}


def seed_of_this_run():
    """What is chosen by chance is chosen so again where LOCKGATE_TEST_SEED has the number that is printed here."""
    seed = os.environ.get("LOCKGATE_TEST_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"LOCKGATE_TEST_SEED={seed}", flush=True)
    return seed


def report(faults):
    """Ends the program as a test does."""
    for what in faults[:10]:
        print(f"FAILED: {what}", flush=True)
    sys.exit(1 if faults else 0)
