# SPDX-License-Identifier: Apache-2.0
"""A real lock server for tests: started, asked over HTTP, and ended by its id. Only what Python brings."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import select
import signal
import subprocess
import time
import uuid


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        return self.headers.get(name.lower())

    def json(self):
        return json.loads(self.body)


class Server:
    """`lockgate serve` at a free port of this host, with a store in memory."""

    def __init__(self, *options, grace=False):
        store = ["--store", "memory", *([] if grace else ["--no-restart-grace"])]
        self.process = subprocess.Popen(
            [os.environ["LOCKGATE"], "serve", "--listen", "127.0.0.1:0", *store, *options],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = b""
        limit = time.monotonic() + 20
        while not (found := re.search(rb"listening on http://([0-9.]+):([0-9]+)\n", said)):
            if time.monotonic() > limit or not select.select([self.process.stderr], [], [], 20)[0]:
                self.end()
                raise RuntimeError(f"the server does not listen: {said!r}")
            piece = os.read(self.process.stderr.fileno(), 4096)
            if not piece:
                self.end()
                raise RuntimeError(f"the server did not start: {said!r}")
            said += piece
        self.host, self.port = found[1].decode(), int(found[2])
        self.url = f"http://{self.host}:{self.port}"

    def ask(self, method, path, body=None, token=None, headers=None):
        """`body`: bytes as they are, anything else as JSON."""
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            # A server may refuse before it has read everything; its answer counts then.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, sent)
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def acquire(self, name, token=None, **members):
        body = {"name": name, "request_id": str(uuid.uuid4()), **members}
        return self.ask("POST", "/v1/acquire", body, token).json()

    def release(self, name, handle, token=None):
        body = {"name": name, "handle": handle, "request_id": str(uuid.uuid4())}
        reply = self.ask("POST", "/v1/release", body, token)
        if reply.status != 200:
            raise AssertionError(f"not released: {reply.status} {reply.body!r}")

    def stop(self):
        """True if it ended well when it was told to."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20) == 0
        finally:
            self.end()

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class EventStream:
    """Reads the messages of /v1/events."""

    def __init__(self, server, query=""):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
        self.connection.request("GET", "/v1/events" + query)
        self.reply = self.connection.getresponse()

    def next(self):
        message = {}
        while True:
            line = self.reply.readline().decode()
            if line == "":
                raise EOFError("the stream ended")
            line = line.rstrip("\n")
            if line == "" and message:
                return message
            if line and not line.startswith(":"):
                key, _, value = line.partition(": ")
                message[key] = value

    def close(self):
        self.connection.close()


def write_tokens(path, *grants):
    """grants: (token, name, role, prefixes)."""
    lines = [f"{hashlib.sha256(token.encode()).hexdigest()} {name} {role} {prefixes}\n" for token, name, role, prefixes in grants]
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.writelines(lines)
    return path
