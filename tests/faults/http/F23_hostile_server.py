# SPDX-License-Identifier: Apache-2.0
"""F23: what answers is no lock server, or a malicious one. Nothing of that is a grant, a renewal or a release."""

import concurrent.futures
import gzip
import json
import os

from scripted import Scripted, good, reply
from story import KILL_AT, LOCKGATE, SANITIZED, TERM_AFTER, TTL, Process, boot_time, expect, tell, until

MOST_MEMORY = 256 << 20  # address space; a client has some 30 MiB


def a_gigabyte(write):
    write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"outcome\":\"")
    for _ in range(1 << 14):
        write(b"x" * (1 << 16))


def a_million_fields(write):
    write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        write(b"".join(b"X-%d-%d: y\r\n" % (number, i) for i in range(1000)))
    write(b"Content-Length: 2\r\n\r\n{}")


def a_long_field(write):
    write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(1 << 10):
        write(b"x" * (1 << 16))


def granted(**changes):
    return {**json.loads(good("/v1/acquire", {"ttl_ms": int(TTL * 1000)}).split(b"\r\n\r\n", 1)[1]), **changes}


GRANT = json.dumps(granted())
BOMB = gzip.compress(b" " * (64 << 20) + GRANT.encode())
ANSWERS = {
    "a gigabyte": a_gigabyte,
    "a million header fields": a_million_fields,
    "a header field without end": a_long_field,
    "deep JSON": reply(200, '{"a":' * 100000 + "1" + "}" * 100000),
    "deep arrays": reply(200, "[" * 100000 + "]" * 100000),
    "a key twice": reply(200, GRANT[:-1] + ',"outcome":"granted"}'),
    "the handle twice": reply(200, GRANT[:-1] + ',"handle":"other"}'),
    "a gzip bomb": reply(200, BOMB, Content_Encoding="gzip"),
    "HTML": reply(200, "<html><body>Log in to this network</body></html>", "text/html"),
    "nothing": reply(200, ""),
    "an empty object": reply(200, "{}"),
    "null": reply(200, "null"),
    "something behind it": reply(200, GRANT + "x"),
    "half of it": reply(200, GRANT[:40]),
    "no handle": reply(200, granted(handle="")),
    "a handle of another type": reply(200, granted(handle=7)),
    "no lease": reply(200, granted(ttl_ms=0)),
    "a lease that was not asked for": reply(200, granted(ttl_ms=3600000)),
    "a negative lease": reply(200, granted(ttl_ms=-1)),
    "a lease beyond all numbers": reply(200, GRANT.replace(str(int(TTL * 1000)), "1e400")),
    "no token": reply(200, granted(fencing_token=None)),
    "a negative token": reply(200, granted(fencing_token=-5)),
    "another outcome": reply(200, granted(outcome="maybe")),
    "a grant that is not found": reply(404, GRANT),
    "a grant that is made": reply(201, GRANT),
    "a redirect": reply(302, "", Location="http://127.0.0.1:1/v1/acquire"),
    "a redirect that stays": reply(307, GRANT, Location="/v1/acquire"),
    "a redirect to a file": reply(301, "", Location="file:///etc/passwd"),
    "invalid UTF-8": reply(200, GRANT.encode().replace(b"granted", b"gr\xffnted")),
    "control characters": reply(400, json.dumps({"error": {"code": "x", "message": "\x1b]0;title\x07 \x1b[2J"}})),
    "no HTTP": lambda write: write(b"220 mail ESMTP\r\n"),
    "both lengths": lambda write: write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 900\r\n\r\n{}"),
}


class Bounded(Process):
    """A client that may have so much memory and no more."""

    def __init__(self, stage, argv):
        super().__init__(stage, argv if SANITIZED else ["prlimit", f"--as={MOST_MEMORY}", *argv])


def never_a_grant(stage):
    """what is too large, too deep, ambiguous, incomplete, redirected or another's is refused (65 or 69): nothing runs,
    and little memory is used"""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda what: not_granted(stage, what), ANSWERS):
            pass


def not_granted(stage, what):
    touched = os.path.join(stage.path, "ran")
    answer = ANSWERS[what]
    server = Scripted(lambda _nth, path, body: answer if path == "/v1/acquire" else good(path, body))
    began = boot_time()
    client = Bounded(stage, [LOCKGATE, "exec", "-b", server.url, "--ttl", f"{TTL:g}s", "-n", "job", "--", "touch", touched])
    status = stage.keep(client).ended()
    server.server.shutdown()
    expect(status in (65, 69), f"{what}: exit status {status}: {client.err}")
    expect(not os.path.exists(touched), f"{what}: the command ran")
    expect(boot_time() - began < 8 + stage.lateness.worst, f"{what}: that took {boot_time() - began:.1f} s")
    expect(len(client.err) < 2000 and "\x1b" not in client.err and "\x07" not in client.err, f"{what}: {client.err[:500]!r}")
    expect(all(line.startswith("lockgate: ") for line in client.err.splitlines()), f"{what}: {client.err}")


def never_a_renewal(stage):
    """as answers to renewals they do not keep a hold: it ends at the computed moment, not later"""
    chosen = ["a gigabyte", "a million header fields", "deep JSON", "a gzip bomb", "HTML", "an empty object", "a redirect",
              "half of it", "no HTTP"]
    running = []
    for what in chosen:
        answer = ANSWERS[what]
        server = Scripted(lambda _nth, path, body, answer=answer: answer if path == "/v1/renew" else good(path, body))
        worker = stage.worker(what.replace(" ", "-"), "unwitnessed")
        running.append((what, worker, stage.start("exec", server, "--ttl", f"{TTL:g}s", "job", "--", *worker.argv)))
        if len(running) == 3:
            finish(running)
            running = []


def finish(running):
    for what, worker, client in running:
        worker.entered(client)
        client.ended(76)
        lasted = until(lambda worker=worker: worker.times("term"), f"{what}: it was told to end")[0] - worker.entered()
        expect(lasted < KILL_AT, f"{what}: it ran for {lasted:.2f} s")
        expect(lasted > TERM_AFTER - 1 or "lost" in client.err, f"{what}: it ran for {lasted:.2f} s")


def never_a_release(stage):
    """nor is such an answer to a release one: the command's own status, and a warning"""
    for what in ("an empty object", "HTML", "a gigabyte"):
        answer = ANSWERS[what]
        server = Scripted(lambda _nth, path, body, answer=answer: answer if path == "/v1/release" else good(path, body))
        client = stage.run("exec", server, "job", "--", "sh", "-c", "exit 7", status=7)
        expect("not given back" in client.err, f"{what}: {client.err}")


if __name__ == "__main__":
    tell(never_a_grant, never_a_renewal, never_a_release)
