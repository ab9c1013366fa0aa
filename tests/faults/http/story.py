# SPDX-License-Identifier: Apache-2.0
"""What the stories about the lock server's faults share: real servers, clients and commands, the network's faults in
between, and a stage for each scene that takes everything away again. Only what Python brings.

A story is a file of scenes, functions whose first line of documentation is a sentence about lockgate. tell() plays
them side by side, each on its own stage, and fails if one does. Nothing sleeps to be in time: until() looks at a state.
"""

import calendar
import concurrent.futures
import contextlib
import itertools
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

# Stories take all of these from here.
# pylint: disable=unused-import
from actors import (IN_MEMORY, KILL_AFTER, KILL_AT, LOCKGATE, PATIENCE, PLAYS, SANITIZED, TERM_AFTER, TOO_LATE, TTL, Failed,
                    Lateness, Process, Proxy, Server, Watcher, Worker, boot_time, expect, gone, until)


FINDING = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error: ")


class Stage:
    """A folder, an environment and the processes of one scene."""

    def __init__(self, name, lateness):
        self.path = tempfile.mkdtemp(prefix=f"lockgate-{name}.", dir=IN_MEMORY)
        self.lateness = lateness
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith(("LOCKGATE_", "XDG_")) and key != "SUDO_USER"}
        self.env["HOME"] = os.path.join(self.path, "home")
        os.mkdir(self.env["HOME"])
        self.serials = itertools.count(1)
        self.processes = []

    def new_path(self, kind):
        return os.path.join(self.path, f"{next(self.serials)}.{kind}")

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.path, name)
        with open(path, "wb", opener=lambda p, flags: os.open(p, flags, mode)) as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def keep(self, process):
        self.processes.append(process)
        return process

    def serve(self, *options, store=None, port=0, env=None, program=None):
        options = ["--store", store or f"sqlite:{self.path}/locks.db", "-v", *options]
        server = None
        while server is None:
            server = Server(self, options, port, env, program)
        return self.keep(server)

    def again(self, server):
        return self.keep(server.again())

    def proxy(self, server):
        return self.keep(Proxy(self, f"127.0.0.1:{server.port}"))

    def start(self, command, where, *words, env=None, program=None, group=False):
        """lockgate COMMAND in the background, at a server or proxy."""
        url = where if isinstance(where, str) else where.url
        return self.keep(Process(self, [program or LOCKGATE, command, "-b", url, *words], env, group))

    def process(self, *words, env=None):
        """lockgate with these words, in the background."""
        return self.keep(Process(self, [LOCKGATE, *words], env))

    def run(self, command, where, *words, status=None, env=None, program=None):
        process = self.start(command, where, *words, env=env, program=program)
        process.ended(status)
        return process

    def hold(self, where, worker, *options, lock="job", env=None, program=None):
        """A lockgate whose command is the worker; comes back when that is in."""
        process = self.start("exec", where, "--ttl", f"{TTL:g}s", *options, lock, "--", *worker.argv, env=env, program=program)
        worker.entered(process)
        return process

    def wait_for(self, where, worker, *options, server, lock="job", place=1, **more):
        """A lockgate that is in the queue of the lock when this returns."""
        process = self.start("exec", where, "--ttl", f"{TTL:g}s", *options, lock, "--", *worker.argv, **more)
        until(lambda: len(server.waiters(lock)) >= place, f"{worker.name} is in the queue")
        return process

    def hold_and_wait(self, server, holder, waiter, through=None):
        """A lockgate whose command is in (by way of a proxy), and one that is in the queue behind it, with a way of its
        own."""
        first = self.hold(through or server, holder)
        return first, self.wait_for(server, waiter, server=server)

    def worker(self, name, *options):
        return Worker(self, name, *options)

    def watch(self, where):
        """A `lockgate watch` that has begun to hear."""
        watcher = Watcher(self, [LOCKGATE, "watch", "-b", where.url, "--json"])
        self.keep(watcher)
        # What it hears of first is its own lock, taken again and again until it does.
        until(lambda: self.run("exec", where, "heard", "--", "true", status=0) and watcher.heard("heard", "acquired"),
              "the watcher hears")
        return watcher

    def strike(self):
        """Everything of the scene is ended, by its id: what it knows, and what has its HOME in the environment."""
        for process in self.processes:
            if process.running():
                process.kill()
        mark = f"HOME={self.env['HOME']}\0".encode()
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    with open(f"/proc/{entry}/environ", "rb") as file:
                        mine = mark in b"\0" + file.read() + b"\0"
                    if mine:
                        os.kill(int(entry), signal.SIGKILL)

    def what_was_said(self):
        lines = []
        for process in self.processes:
            said = process.err[-1500:].strip()
            if said:
                lines.append(f"  {os.path.basename(process.argv[0])} {' '.join(process.argv[1:7])}:\n    " + said.replace("\n", "\n    "))
        return "\n".join(lines)


def after_last_renewal(server, where, lock="job"):
    """Waits for a renewal and its answer; the boot time at which the lease of the hold, as of then, was counted from.
    The next renewal is most of a third of the TTL away."""
    def expiry():
        holders = server.holders(lock)
        expect(holders, f"{lock} is not held")
        return holders[0]["expires_at"]
    before = expiry()
    until(lambda: expiry() != before, "the lease is renewed")
    if isinstance(where, Proxy):
        where.say("count")  # it deals with one thing after the other: the answer has gone through
    left = seconds_of(expiry()) - time.time()
    return boot_time() + left - TTL


def seconds_of(rfc3339):
    whole, _, rest = rfc3339.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (rest or "0"))


def is_near(seen, expected, tolerance, stage, what):
    late = tolerance + stage.lateness.worst
    expect(expected - tolerance <= seen <= expected + late,
           f"{what}: {seen - expected:+.3f} s off, and {tolerance} s allowed (the machine was {stage.lateness.worst:.3f} s late)")


def exclusive(*workers):
    """No two of them were in at a time: none met the kernel's lock that each holds while it, or what it started,
    lives."""
    for worker in workers:
        expect(worker.find("overlap") is None, f"{worker.name} was in beside another")
    tokens = [int(entry[2]) for _, entry in sorted((entry[1], entry) for worker in workers for entry in worker.events()
                                                   if entry[0] == "enter")]
    expect(tokens == sorted(set(tokens)), f"tokens do not grow: {tokens}")


def play_once(scene, lateness):
    stage = Stage(scene.__name__, lateness)
    began = time.monotonic()
    try:
        scene(stage)
        for process in stage.processes:
            expect(not FINDING.search(process.err), f"a sanitizer found something: {process.err[-3000:]}")
    except Exception as failed:  # pylint: disable=broad-except  # whatever it is, it is told
        stage.strike()
        where = "" if isinstance(failed, Failed) and not os.environ.get("LOCKGATE_TEST_TRACE") else traceback.format_exc()
        return f"FAILED: {scene.__name__}: {failed}\n{where}{stage.what_was_said()}\n  left for a look: {stage.path}"
    print(f"- {' '.join(scene.__doc__.split())} ({time.monotonic() - began:.1f} s)", flush=True)
    stage.strike()
    shutil.rmtree(stage.path, ignore_errors=True)
    return None


def play(scene):
    """With leases of two seconds, a machine that stands still for a quarter of one loses them, and rightly so: what fails
    while it did is played again."""
    for _ in range(PLAYS):
        with Lateness() as lateness:
            failure = play_once(scene, lateness)
        if not failure or lateness.worst < TOO_LATE:
            break
        print(f"{scene.__name__}: the machine stood still for {lateness.worst:.2f} s", flush=True)
    return failure


def tell(*scenes, at_once=4):
    """Plays them; those whose names are on the command line, if there are any there."""
    wanted = [scene for scene in scenes if not sys.argv[1:] or scene.__name__ in sys.argv[1:]]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        failures = [failure for failure in pool.map(play, wanted) if failure]
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)
