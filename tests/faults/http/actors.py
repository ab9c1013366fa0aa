# SPDX-License-Identifier: Apache-2.0
"""The processes of a story: lock servers, clients, commands under a lock, and the network in between."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid

LOCKGATE = os.environ["LOCKGATE"]
HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 30.0  # seconds after which what does not happen is a failure
# Not on the disk, where there is another place: what others write there makes every grant late.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) and "TMPDIR" not in os.environ else None

SANITIZED = "LOCKGATE_TEST_SANITIZED" in os.environ

# The leases of most scenes: the shortest there are, or what sanitized programs can keep. See core/timing.cpp for what
# follows from them.
TTL = 6.0 if SANITIZED else 2.0
MARGIN = 0.5 + TTL / 50
KILL_AFTER = min(4, TTL / 3, TTL - TTL / 3 - TTL / 6 - MARGIN)
TERM_AFTER = TTL - MARGIN - KILL_AFTER  # from when the last renewal was sent
KILL_AT = TTL - MARGIN
PLAYS = 3
TOO_LATE = 0.2


class Failed(AssertionError):
    pass


def expect(true, what):
    if not true:
        raise Failed(what)


def boot_time():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def until(look, what, patience=PATIENCE):
    """The first true answer of look()."""
    limit = time.monotonic() + patience
    while not (seen := look()):
        if time.monotonic() > limit:
            raise Failed(f"waited in vain until {what}")
        time.sleep(0.01)
    return seen


def gone(pid):
    """True once the process has ended, collected or not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Lateness:
    """How late this machine wakes whoever sleeps: what others do to it is not to be held against lockgate."""

    def __init__(self):
        self._worst = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._over.is_set():
            before = time.monotonic()
            time.sleep(0.02)
            self._worst = max(self._worst, time.monotonic() - before - 0.02)

    @property
    def worst(self):
        return self._worst

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


class Process:
    """A program of the scene; what it says goes into files."""

    def __init__(self, stage, argv, env=None, group=False, pass_fds=()):
        self.out_path, self.err_path = stage.new_path("out"), stage.new_path("err")
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=stage.path,
                                          env={**stage.env, **(env or {})}, process_group=0 if group else None,
                                          pass_fds=pass_fds)
        self.argv = argv
        self.pid = self.popen.pid

    def _text(self, path):
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    @property
    def out(self):
        return self._text(self.out_path)

    @property
    def err(self):
        return self._text(self.err_path)

    def running(self):
        return self.popen.poll() is None

    def ended(self, status=None, patience=PATIENCE):
        """Waits for it; its exit status, 128+N for signal N. With `status`: it has to be that (or one of those)."""
        try:
            code = self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.argv[1:]} does not end; it says: {self.err}") from None
        code = 128 - code if code < 0 else code
        if status is not None:
            wanted = status if isinstance(status, tuple) else (status,)
            expect(code in wanted, f"{self.argv[1:]} ended with {code} and not {status}: {self.err}{self.out[:500]}")
        return code

    def says(self, text):
        until(lambda: text in self.err or (not self.running() and self._last_look(text)), f"{self.argv[1:4]} says {text!r}")

    def _last_look(self, text):
        expect(text in self.err, f"{self.argv[1:]} ended without saying {text!r}: {self.err}")
        return True

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.popen.kill()
        self.popen.wait()


class Server(Process):
    """`lockgate serve`; again() starts it anew at the same port and with the same store."""

    def __init__(self, stage, options, port=0, env=None, program=None):
        self.stage, self.options, self.more_env, self.program = stage, options, env, program
        super().__init__(stage, [program or LOCKGATE, "serve", "--listen", f"127.0.0.1:{port}", *options], env)
        found = until(self._listening, "a server listens")
        self.scheme, self.port = found[1], int(found[2])
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"

    def _listening(self):
        said = self.err
        expect(self.running() or "listening on" in said, f"the server did not start: {said}")
        return re.search(r"listening on (https?)://[0-9.]+:([0-9]+)\n", said)

    def again(self):
        """After it was killed."""
        limit = time.monotonic() + PATIENCE
        while True:
            try:
                return Server(self.stage, self.options, self.port, self.more_env, self.program)
            except Failed as failed:
                if "in use" not in str(failed) or time.monotonic() > limit:
                    raise

    def ask(self, method, path, body=None, token=None, timeout=PATIENCE):
        """(status, answer): `body` and answer as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            text = reply.read()
            return reply.status, json.loads(text) if text.startswith(b"{") else text.decode(errors="replace")
        finally:
            connection.close()

    def acquire(self, name, **members):
        body = {"name": name, "request_id": str(uuid.uuid4()), "ttl_ms": int(TTL * 1000), **members}
        return self.ask("POST", "/v1/acquire", body)[1]

    def lock(self, name):
        return self.ask("GET", f"/v1/locks?name={name}")[1]["locks"][0]

    def holders(self, name):
        return self.lock(name)["holders"]

    def waiters(self, name):
        return self.lock(name)["waiters"]

    def token(self, name):
        return self.lock(name)["fencing_token"]


class Proxy(Process):
    """The network between clients and a server; see tests/tools/fault_proxy.cpp for what can be said to it."""

    def __init__(self, stage, target):
        self.fifo = stage.new_path("control")
        os.mkfifo(self.fifo)
        super().__init__(stage, [os.environ["FAULT_PROXY"], target, self.fifo])
        found = until(lambda: re.search(r"listening on (127.0.0.1:[0-9]+)\n", self.out), "the proxy listens")
        self.url = f"http://{found[1]}"
        self.lines = 1

    def say(self, command):
        """In force when this returns; the proxy's answer."""
        with open(self.fifo, "w", encoding="ascii") as control:
            control.write(command + "\n")
        self.lines += 1
        until(lambda: self.out.count("\n") >= self.lines, f"the proxy obeys {command!r}")
        answer = self.out.split("\n")[self.lines - 1]
        expect(not answer.startswith("what?"), answer)
        return answer

    def requests(self):
        return int(self.say("count").split()[-1])


class Watcher(Process):
    def heard(self, name, event=None):
        """What was told of a lock so far."""
        lines = [json.loads(line) for line in self.out.split("\n")[:-1]]
        return [line for line in lines if line["name"] == name and event in (None, line["event"])]


class Worker:
    """A command under a lock, that tells in a file what it lives through; see worker.py."""

    def __init__(self, stage, name, *options):
        self.stage, self.name = stage, name
        self.journal = os.path.join(stage.path, f"{name}.journal")
        self.argv = [sys.executable, "-S", os.path.join(HERE, "worker.py"), stage.path, name, *options]

    def events(self):
        """[(event, boot time, more words...)] so far."""
        try:
            with open(self.journal, encoding="utf-8") as file:
                lines = file.read().split("\n")[:-1]
        except FileNotFoundError:
            return []
        return [(words[0], float(words[1]), *words[2:]) for words in (line.split() for line in lines)]

    def find(self, event):
        return next((entry for entry in self.events() if entry[0] == event), None)

    def times(self, event):
        return [entry[1] for entry in self.events() if entry[0] == event]

    def entered(self, lockgate=None):
        """Waits until it runs; the time."""
        def look():
            if entry := self.find("enter"):
                return entry
            expect(lockgate is None or lockgate.running(), f"{self.name} was not started: {lockgate and lockgate.err}")
            return None
        return until(look, f"{self.name} is in")[1]

    @property
    def token(self):
        return int(self.find("enter")[2])

    @property
    def pids(self):
        return [int(pid) for entry in self.events() if entry[0] in ("enter", "child") for pid in entry[3:4]]

    def leave(self):
        with open(os.path.join(self.stage.path, f"{self.name}.go"), "w", encoding="ascii"):
            pass
