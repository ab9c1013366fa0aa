# SPDX-License-Identifier: Apache-2.0
"""A lock server that is killed and started again on the same store, clients that go on through all of that, and what
they may demand of it: a ledger of what they were told, which is held against the rules. Only what Python brings."""

import bisect
import contextlib
import dataclasses
import datetime
import http.client
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

PATIENCE = 60  # seconds, for what takes milliseconds where the machine is idle


# ---- the server

class Killable:
    """`lockgate serve` at one socket and with one store, in one life after the other."""

    def __init__(self, folder, *options, program=None):
        os.makedirs(folder, exist_ok=True)
        self.socket = os.path.join(folder, "s")
        self.command = [program or os.environ["LOCKGATE"], "serve", "--listen", f"unix:{self.socket}", *options]
        self.process = None
        self.started = 0.0            # when its present life began, on the wall clock
        self.started_monotonic = 0.0  # and on the other
        self.up = threading.Event()   # it listens, for all that is known

    def start(self, **environment):
        self.started, self.started_monotonic = time.time(), time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env={**os.environ, **environment})

    def listens(self):
        """Waits until it does. False: it was killed before."""
        said = b""
        limit = time.monotonic() + PATIENCE
        while b"listening on " not in said:
            if not select.select([self.process.stderr], [], [], max(0.0, limit - time.monotonic()))[0]:
                raise RuntimeError(f"the server does not listen: {said!r}")
            piece = os.read(self.process.stderr.fileno(), 4096)
            said += piece
            if not piece:
                if self.process.wait(PATIENCE) == -signal.SIGKILL:
                    return False
                raise RuntimeError(f"the server did not start: {said!r}")
        self.up.set()
        return True

    def kill(self):
        """As it is, in the middle of whatever it does."""
        self.up.clear()
        self.process.kill()
        self.bury()

    def bury(self):
        """Waits until it was killed, by whomever."""
        status = self.process.wait(PATIENCE)
        self.up.clear()
        said = self.process.stderr.read()
        self.process.stderr.close()
        if status != -signal.SIGKILL:
            raise RuntimeError(f"the server ended by itself, with {status}: {said!r}")

    def stop(self):
        """Tells it to end, which it is to do well."""
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.up.clear()
        said = self.process.stderr.read()
        self.process.stderr.close()
        if status != 0:
            raise RuntimeError(f"told to stop, it ended with {status}: {said!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class LocalConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket: no port that another program could have taken between two lives."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    def __init__(self, server):
        self.server = server
        self.connection = None
        self.lost = 0  # answers

    def ask(self, method, path, body=None):
        """(status, what the answer says); None where there was none: nobody knows what the server did."""
        try:
            self.send(method, path, body)
            reply = self.connection.getresponse()
            return reply.status, json.loads(reply.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.hang_up()
            return None

    def send(self, method, path, body=None):
        if self.connection is None:
            self.connection = LocalConnection(self.server.socket)
        self.connection.request(method, path, body=None if body is None else json.dumps(body))

    def hang_up(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def insist(self, what, body):
        """The same request until there is an answer."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            self.server.up.wait(PATIENCE)
            reply = self.ask("POST", f"/v1/{what}", body)
            if reply is not None and reply[0] != 503:  # that one is stopping, and says so
                return reply
            self.lost += 1
            time.sleep(0.001)  # it may be dead before that is known here
        raise RuntimeError(f"no answer to {what} {body}")

    def send_and_hang_up(self, what, body):
        """An answer that is lost though the server lives on."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.send("POST", f"/v1/{what}", body)
        self.hang_up()
        self.lost += 1


# ---- what was told, and the rules

@dataclasses.dataclass
class Hold:
    name: str
    mode: str
    token: int
    handle: str
    id: str
    ttl: float                     # seconds
    asked: float                   # when it was first asked for; these are moments of the monotonic clock
    granted: float                 # when the client knew
    given_back: float = None       # when the release was first sent
    is_released: bool = False      # and answered
    value: str = dataclasses.field(default=None, repr=False)
    changes: int = 0               # of its value: odd while one is on its way

    def lasts_until(self):
        return self.given_back if self.given_back is not None else float("inf")


def faults_in(holds):
    """What cannot be: holds of one lock beside an exclusive one, and tokens that do not grow."""
    faults = []
    handles = set()
    for hold in holds:
        if hold.handle in handles:
            faults.append(f"a handle was given twice: {hold}")
        handles.add(hold.handle)
    for name in {hold.name for hold in holds}:
        mine = sorted((hold for hold in holds if hold.name == name), key=lambda hold: hold.granted)
        faults += overlaps_in(mine) + token_faults_in(mine)
    return faults


def overlaps_in(holds):
    faults = []
    live = []
    for hold in holds:
        live = [other for other in live if other.lasts_until() > hold.granted]
        faults += [f"both have the lock: {other} and {hold}" for other in live if "exclusive" in (other.mode, hold.mode)]
        live.append(hold)
    return faults


def token_faults_in(holds):
    owners = [hold for hold in holds if hold.mode == "exclusive"]
    faults = [f"a token that does not grow: {later} after {earlier}"
              for earlier, later in zip(owners, owners[1:]) if later.token <= earlier.token]
    # A shared hold has the last owner's: of those between which and it there is no doubt, as owners follow each other.
    ends = [owner.lasts_until() for owner in owners]
    beginnings = [owner.asked for owner in owners]
    for hold in holds:
        if hold.mode == "exclusive":
            continue
        before = bisect.bisect_right(ends, hold.asked)
        if before and owners[before - 1].token > hold.token:
            faults.append(f"a token that went back: {hold} after {owners[before - 1]}")
        after = min((owner.token for owner, asked in zip(owners, beginnings) if asked >= hold.granted), default=None)
        if after is not None and after <= hold.token:
            faults.append(f"an owner's token that is not above that of {hold}: {after}")
    return faults


def check_the_rules_themselves():
    """A ledger that is in order passes, and each way in which it can be out of order is seen."""
    def hold(mode, token, granted, given_back, name="a"):
        handle = str(uuid.uuid4())
        return Hold(name, mode, token, handle, handle[:8], 10.0, granted - 0.5, granted, given_back)

    sound = [hold("exclusive", 5, 1, 2), hold("shared", 5, 3, 6), hold("shared", 5, 4, 5), hold("exclusive", 9, 7, None),
             hold("exclusive", 1, 1, None, "b")]
    assert not faults_in(sound), faults_in(sound)
    for number, change in ((0, {"given_back": 3.5}), (0, {"given_back": None}), (1, {"mode": "exclusive", "token": 6}),
                           (2, {"mode": "exclusive", "token": 6}), (1, {"token": 4}), (1, {"token": 9}), (3, {"token": 5}),
                           (1, {"given_back": None}), (4, {"name": "a"}), (4, {"handle": sound[3].handle})):
        wrong = list(sound)
        wrong[number] = dataclasses.replace(wrong[number], **change)
        assert faults_in(wrong), f"nothing is found wrong with {change} in {wrong[number]}"


class Ledger:
    """What all clients were told. Thread-safe."""

    def __init__(self):
        self.mutex = threading.Lock()
        self.holds = []
        self.faults = []
        self.unheard = 0  # grants that ran out before anybody heard of them; a kill may bring them back
        self.over = threading.Event()

    def fault(self, what):
        with self.mutex:
            self.faults.append(what)
        self.over.set()

    def granted(self, order, reply, asked):
        hold = Hold(order["name"], order["mode"], reply["fencing_token"], reply["handle"], reply["id"], order["ttl_ms"] / 1000,
                    asked, time.monotonic())
        with self.mutex:
            self.holds.append(hold)
        return hold

    def check_life(self, server, client):
        """The list of a server that was just started has what was told before, and nothing that was given back."""
        with self.mutex:
            held = [(hold, hold.value, hold.changes) for hold in self.holds if hold.given_back is None]
            released = [hold for hold in self.holds if hold.is_released]
        reply = client.ask("GET", "/v1/locks")
        if reply is None:
            return  # killed again
        listed = {holder["id"]: (holder, lock) for lock in reply[1]["locks"] for holder in lock["holders"]}
        for hold, value, changes in held:
            if hold.given_back is None:
                self.check_listed(hold, value, changes, listed.get(hold.id), server)
        for hold in released:
            if hold.id in listed:
                self.fault(f"it was given back, and is there again: {hold}")

    def check_listed(self, hold, value, changes, found, server):
        if found is None:
            if hold.given_back is None:
                self.fault(f"a hold is lost: {hold}")
            return
        holder, lock = found
        left = datetime.datetime.fromisoformat(holder["expires_at"]).timestamp() - server.started
        if hold.granted < server.started_monotonic and left < hold.ttl - 0.002:  # the list cuts milliseconds off
            self.fault(f"after the restart it has {left} s left of its {hold.ttl} s: {hold}")
        if holder["mode"] != hold.mode or (lock["fencing_token"] or 0) != hold.token:
            self.fault(f"another mode or token than was told: {hold} is {lock}")
        if changes % 2 == 0 and hold.changes == changes and holder["value"] != value:
            self.fault(f"its value {value!r} became {holder['value']!r}: {hold}")

    def check_all(self):
        for what in faults_in(self.holds):
            self.fault(what)


# ---- clients

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
        while True:
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
    return os.environ.get("LOCKGATE_TEST_SEED") or str(random.SystemRandom().randrange(10**9))


def report(faults, seed=None):
    """Ends the program as a test does."""
    for what in faults[:10]:
        print(f"FAILED: {what}", flush=True)
    if faults and seed:
        print(f"again with the same choices: LOCKGATE_TEST_SEED={seed}", flush=True)
    sys.exit(1 if faults else 0)
