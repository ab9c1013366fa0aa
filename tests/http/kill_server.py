# SPDX-License-Identifier: Apache-2.0
"""A lock server that is killed and started again on the same store, and a client that notices. Only what Python
brings."""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

PATIENCE = 60  # seconds, for what takes milliseconds where the machine is idle


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
        self.mutex = threading.Lock()
        self.answers_left = 0         # until it is killed; below 1: they are not counted

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

    def kill_at_answer(self, number):
        """At once when somebody has that answer: what it tells is to be so, and not only a moment later."""
        with self.mutex:
            self.answers_left = number

    def answered(self):
        with self.mutex:
            self.answers_left -= 1
            if self.answers_left == 0:
                self.process.kill()

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
            body = reply.read()
            self.server.answered()
            return reply.status, json.loads(body)
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


@contextlib.contextmanager
def serving(folder, *options, program=None):
    """A server that listens, and a client of it."""
    with Killable(folder, *options, program=program) as server:
        server.start()
        server.listens()
        yield server, Client(server)
