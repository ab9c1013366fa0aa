# SPDX-License-Identifier: Apache-2.0
"""F25: masses of requests for what is not there, of locks, and of waiters that vanish."""

import http.client
import json
import socket

from story import SANITIZED, boot_time, expect, tell, until


class Line:
    """One connection for many requests."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def ask(self, path, **body):
        self.connection.request("POST", path, json.dumps(body))
        reply = self.connection.getresponse()
        text = reply.read()
        return reply.status, reply.getheader("Retry-After"), json.loads(text)


def memory_of(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) >> 10


def unknown_names(stage):
    """thousands of renewals and releases of locks that nobody has leave nothing behind"""
    server = stage.serve()
    line = Line(server)

    def ask_for(numbers):
        for number in numbers:
            what = {"name": f"no-{number}", "handle": f"no-{number}"}
            expect(line.ask("/v1/renew", **what)[0] == 410, "a renewal of nothing is answered otherwise")
            expect(line.ask("/v1/release", **what, request_id=f"r-{number}")[0] == 410, "a release of nothing")
            expect(line.ask("/renew-lease", lockHandle={"uuid": f"no-{number}", "lockName": f"no-{number}"})[0] == 200, "Go's")

    ask_for(range(300))
    before = memory_of(server)
    ask_for(range(300, 1500))
    expect(server.ask("GET", "/v1/locks")[1]["locks"] == [], "there are locks")
    expect(SANITIZED or memory_of(server) <= before + 4, f"{memory_of(server)} MB, and {before} before")


def many_locks(stage):
    """more locks than it will have: 429 with Retry-After for one that is new, all others go on, and there is room
    again"""
    server = stage.serve("--max-locks", "500")
    worker = stage.worker("worker")
    holder = stage.hold(server, worker)
    line = Line(server)
    handles = {}
    status = 200
    while status == 200 and len(handles) < 600:
        name = f"lock-{len(handles)}"
        status, later, answer = line.ask("/v1/acquire", name=name, request_id=name, ttl_ms=60000)
        if status == 200:
            handles[name] = answer["handle"]
    expect(status == 429 and later, f"{status}, Retry-After {later}, after {len(handles)} locks")
    expect(len(handles) == 499, f"{len(handles)} locks")
    comer = stage.start("exec", server, "-w", "20s", "another", "--", "true")
    expect(stage.run("exec", server, "-n", "more", "--", "true").ended() in (69, 75), "it was granted")
    expect(line.ask("/v1/renew", name="lock-1", handle=handles["lock-1"])[0] == 200, "a renewal was refused")
    for name in list(handles)[:5]:
        expect(line.ask("/v1/release", name=name, handle=handles[name], request_id=name)[0] == 200, "not released")
    comer.ended(0)
    worker.leave()
    holder.ended(0)
    expect(worker.find("term") is None, "the holder was disturbed")


def vanished_waiters(stage):
    """waiters that hang up are out of the queue within a second or so and never granted; one too many is told so (429)"""
    server = stage.serve("--max-waiters", "120")
    worker, last = stage.worker("worker"), stage.worker("last", "leave")
    holder = stage.hold(server, worker)
    crowd = []
    for number in range(119):
        body = json.dumps({"name": "job", "request_id": f"r-{number}", "acquirer_id": f"a-{number}", "ttl_ms": 60000,
                           "wait_ms": 60000}).encode()
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(b"POST /v1/acquire HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        crowd.append(connection)
    until(lambda: len(server.waiters("job")) == 119, "all of them wait")
    waiter = stage.wait_for(server, last, server=server, place=120)
    status = Line(server).ask("/v1/acquire", name="job", request_id="r", acquirer_id="a", wait_ms=60000)[0]
    expect(status == 429, f"one too many: {status}")
    began = boot_time()
    for connection in crowd:
        connection.close()
    until(lambda: len(server.waiters("job")) == 1, "they are out of the queue")
    expect(boot_time() - began < 1.5 + stage.lateness.worst, f"that took {boot_time() - began:.2f} s")
    freed = boot_time()
    worker.leave()
    holder.ended(0)
    waiter.ended(0)
    expect(last.entered() - freed < 1.5 + stage.lateness.worst, "one of them was granted")


if __name__ == "__main__":
    tell(unknown_names, many_locks, vanished_waiters)
