# SPDX-License-Identifier: Apache-2.0
"""What the clients of a lock server were told, and the rules that this has to keep, whatever became of the server
between."""

import bisect
import dataclasses
import datetime
import threading
import time
import uuid


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
