# SPDX-License-Identifier: Apache-2.0
"""F22: names of locks that are paths, escapes, options or hard to tell from each other."""

import json
import os

from story import expect, tell

ODD = [
    "../../etc/passwd", "/", "//", ".", "..", "a/b/c", "%2f", "%2e%2e%2f", "%", "%zz", "a?b", "a#b", "a&name=b", "a=b", "a+b", "a b", " ",
    "a\\b", '"', "'", '{"name":"x"}', "a;b", "$(touch ran)", "`touch ran`", "-", "--help", "-n", "\u202etxt.exe", "a\u200db", "\u00e9",
    "e\u0301", "\U0001f512", "null", "x" * 255, "\u00e9" * 200,
]
REFUSED = ["", "a\nb", "a\rb", "a\tb", "\x1b[2J", "\x7f", "x" * 1025, "\u00e9" * 513]


def each_is_its_own(stage):
    """each is a lock of its own, shown as it is, and never a path or a part of a request"""
    server = stage.serve()
    for name in ODD:
        held = server.acquire(name, ttl_ms=600000)
        expect(held.get("outcome") == "granted", f"{name!r}: {held}")
        client = stage.run("exec", server, "-n", "--", name, "true")
        expect(client.ended() == 75, f"{name!r}: {client.ended()}: {client.err}")
        shown = stage.run("status", server, "--json", "--", name, status=0)
        locks = json.loads(shown.out)["locks"]
        expect([lock["name"] for lock in locks] == [name] and locks[0]["state"] == "held", f"{name!r}: {locks}")
    listed = {lock["name"] for lock in server.ask("GET", "/v1/locks")[1]["locks"]}
    expect(listed == set(ODD), f"too many or too few: {listed ^ set(ODD)}")
    expect(sorted(entry.split("-")[0] for entry in os.listdir(stage.path) if entry.startswith("locks.db")) != [], "no store")
    strangers = [entry for entry in os.listdir(stage.path)
                 if not entry[0].isdigit() and entry != "home" and not entry.startswith("locks.db")]
    expect(not strangers, f"files came of it: {strangers}")


def the_longest(stage):
    """1024 bytes are a name, and the command is told it as it is"""
    server = stage.serve()
    for name in ("y" * 1024, "\u00e9" * 512, "\U0001f512" * 256):
        client = stage.run("exec", server, name, "--", "printenv", "LOCKGATE_NAME", status=0)
        expect(client.out == name + "\n", f"{client.out[:60]!r}")


def no_names(stage):
    """empty, with control characters, longer than that or no UTF-8: usage (64), said without them, and the server
    refuses it too"""
    server = stage.serve()
    for name in REFUSED:
        client = stage.run("exec", server, "--", name, "touch", "ran")
        expect(client.ended() == 64, f"{name[:20]!r}: {client.ended()}: {client.err}")
        expect("\x1b" not in client.err and len(client.err) < 1000, f"{client.err[:200]!r}")
        status = server.ask("POST", "/v1/acquire", {"name": name, "request_id": "r"})[0]
        expect(status == 422, f"the server takes {name[:20]!r}: {status}")
    client = stage.run("exec", server, "--", b"\xff\xfe", "touch", "ran")
    expect(client.ended() == 64, f"{client.ended()}: {client.err}")
    expect(not os.path.exists(os.path.join(stage.path, "ran")), "it ran")
    expect(server.ask("GET", "/v1/locks")[1]["locks"] == [], "something was taken")


if __name__ == "__main__":
    tell(each_is_its_own, the_longest, no_names)
