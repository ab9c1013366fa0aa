# SPDX-License-Identifier: Apache-2.0
"""What is just within the bounds of the API is taken, what is beyond is refused, and the refusal says which and why.
Run by bounds_test.sh."""

import os
import subprocess
import urllib.parse

from server_play import Server, write_tokens

failures = []


def expect(true, what):
    if not true:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def lockgate(server, *words):
    """Runs lockgate with this server; its exit status, output and errors."""
    done = subprocess.run([os.environ["LOCKGATE"], words[0], "-b", server.url, *words[1:]], capture_output=True, timeout=60,
                          check=False, text=True)
    return done.returncode, done.stdout, done.stderr


def a_value_of_64_kib_is_taken_whatever_is_in_it(server):
    for value in ("x" * 65536, "\x01" * 65536, '"' * 65536, "\u00e4" * 32768):
        granted = server.acquire("value", value=value, acquirer_id="a" * 1024, holder={
            "host": "h" * 255, "user": "u" * 255, "command": "\\" * 4096, "reason": "\\" * 1024})
        expect(granted.get("outcome") == "granted", f"acquire with {value[:3]!r}...: {granted}")
        if granted.get("outcome") != "granted":
            continue
        reply = server.ask("POST", "/v1/value", {"name": "value", "handle": granted["handle"], "value": value[::-1]})
        expect(reply.status == 200, f"value {value[:3]!r}...: {reply.status} {reply.body!r}")
        seen = server.ask("GET", "/v1/locks?name=value").json()["locks"][0]["holders"][0]["value"]
        expect(seen == value[::-1], f"the value {value[:3]!r}... comes back as {seen[:3]!r}...")
        waits = server.acquire("value")
        expect(waits["outcome"] == "wait" and waits["holders"][0]["value"] is None, "who waits is sent the value")
        server.release("value", granted["handle"])
    for route, more in (("acquire", {"request_id": "r"}), ("value", {"handle": "h"})):
        reply = server.ask("POST", f"/v1/{route}", {"name": "value", "value": "x" * 65537, **more})
        expect(reply.status == 422 and reply.json()["error"]["member"] == "value", f"one byte more: {reply.status} {reply.body!r}")
    reply = server.ask("POST", "/v1/value", b'{"name":"value"' + b" " * 524288 + b"}")
    expect(reply.status == 413, f"a body of more than 512 KiB: {reply.status} {reply.body!r}")


def one_member_means_one_thing(server):
    for body in (b'{"name":"a","name":"b","request_id":"r"}', b'{"name":"a","request_id":"r","holder":{"host":"x","host":"y"}}'):
        reply = server.ask("POST", "/v1/acquire", body)
        expect(reply.status == 400 and b"stands there twice" in reply.body, f"a key twice: {reply.status} {reply.body!r}")
    # In different objects it is no repetition, also where one follows the other.
    body = b'{"holder":{"host":"x"},"host":"y","name":"twice","request_id":"r","list":[{"name":1},{"name":2}]}'
    reply = server.ask("POST", "/v1/acquire", body)
    expect(reply.json().get("outcome") == "granted", f"the same key in several objects: {reply.status} {reply.body!r}")


def lockgate_publishes_64_kib(server):
    value = "\x01" * 65536
    held = 'test "$("$LOCKGATE" get -b "$LOCKGATE_BACKEND" big | wc -c)" = 65537 && "$LOCKGATE" set -b "$LOCKGATE_BACKEND" big "$1"'
    with subprocess.Popen([os.environ["LOCKGATE"], "exec", "-b", server.url, "--value", value, "big", "--", "sh", "-c", held, "sh",
                           value[:-1] + "\x02"], stderr=subprocess.PIPE) as process:
        _, err = process.communicate(timeout=60)
    expect(process.returncode == 0, f"exec with a value of 64 KiB: {process.returncode} {err[-300:]!r}")


def a_name_of_1024_bytes_can_be_asked_for(server):
    name = "\u00e4" * 512
    query = "?name=" + urllib.parse.quote(name)
    granted = server.acquire(name)
    expect(granted["outcome"] == "granted", f"a name of 1024 bytes: {granted}")
    for path in ("/v1/locks", "/some/prefix/v1/locks"):
        reply = server.ask("GET", path + query + "&" + query[1:])
        expect(reply.status == 200 and reply.json()["locks"][0]["state"] == "held", f"{path}: {reply.status} {reply.body[:200]!r}")
    status, _, err = lockgate(server, "status", "-q", name)
    expect(status == 0, f"status -q of a long name: {status} {err}")
    reply = server.ask("GET", "/v1/locks?name=" + "x" * 8192)
    expect(reply.status == 414, f"a target without end: {reply.status}")


def no_lease_is_longer_than_the_server_gives():
    with Server("--max-ttl", "5s") as server:
        def refused(ttl_ms):
            reply = server.ask("POST", "/v1/acquire", {"name": "a", "request_id": "r", "ttl_ms": ttl_ms})
            error = reply.json().get("error", {})
            expect(reply.status == 422 and error["member"] == "ttl_ms", f"a lease of {ttl_ms} ms: {reply.status} {reply.body!r}")
            return error.get("message", "")

        expect("at most 5s" in refused(5001), "the refusal does not say what the longest lease is")
        refused(3600000)
        expect(server.acquire("default")["ttl_ms"] == 5000, "the length that is nobody's wish is too long")
        granted = server.acquire("a", ttl_ms=5000)
        expect(granted["outcome"] == "granted" and granted["ttl_ms"] == 5000, f"the longest lease: {granted}")
        renewed = server.ask("POST", "/v1/renew", {"name": "a", "handle": granted["handle"], "ttl_ms": 20000}).json()
        expect(renewed["ttl_ms"] == 5000, f"a renewal for longer: {renewed}")
        # Its clients count on ten seconds, whatever they get: a shorter lease would let a second one in beside them.
        go = server.ask("POST", "/acquire", {"lockName": "go", "opts": {"acquirerId": "g"}}).json()
        expect("at most 5s" in go["err"] and not go["lockHandle"]["uuid"], f"by the protocol of the Go library: {go}")
        expect(not server.ask("GET", "/v1/locks?name=go").json()["locks"][0]["holders"], "it was given nevertheless")
        status, _, err = lockgate(server, "exec", "--ttl", "10s", "b", "--", "true")
        expect(status == 64 and "at most 5s" in err, f"exec --ttl 10s: {status} {err}")
        status, _, err = lockgate(server, "exec", "--ttl", "5s", "b", "--", "true")
        expect(status == 0, f"exec --ttl 5s: {status} {err}")
        expect(server.stop(), "the server did not end well")


def only_wrong_tokens_are_held_off():
    tokens = write_tokens("tokens", ("r" * 40, "reader", "read", "*"))
    with Server("--tokens", tokens) as server:
        found = [server.ask("GET", "/v1/locks").status for _ in range(20)]
        expect(found == [401] * 20, f"many requests without a token: {found}")
        found = [server.ask("GET", "/v1/locks", token="x" * 40).status for _ in range(20)]
        expect(found[0] == 401 and 429 in found, f"many wrong tokens: {found}")
        expect(server.ask("GET", "/v1/locks").status == 401, "no token, after many wrong ones")
        expect(server.ask("GET", "/v1/locks", token="r" * 40).status == 200, "the right token, after many wrong ones")
        expect(server.stop(), "the server did not end well")


def main():
    with Server() as server:
        a_value_of_64_kib_is_taken_whatever_is_in_it(server)
        one_member_means_one_thing(server)
        lockgate_publishes_64_kib(server)
        a_name_of_1024_bytes_can_be_asked_for(server)
        expect(server.stop(), "the server did not end well")
    only_wrong_tokens_are_held_off()
    no_lease_is_longer_than_the_server_gives()
    raise SystemExit(1 if failures else 0)


main()
