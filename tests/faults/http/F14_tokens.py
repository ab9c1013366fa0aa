# SPDX-License-Identifier: Apache-2.0
"""F14: a token is taken away, or replaced, while a lock is held or waited for."""

import hashlib
import os
import signal

from story import expect, tell, until

OLD, NEW = "canary-old-" + "o" * 40, "canary-new-" + "n" * 40


def line(token, name="ci", role="lock", prefixes="*"):
    return f"{hashlib.sha256(token.encode()).hexdigest()} {name} {role} {prefixes}\n"


def believe(stage, server, *lines):
    """From here on the server knows these tokens."""
    stage.write("tokens", "".join(lines))
    server.signal(signal.SIGHUP)


def serve(stage, *lines):
    return stage.serve("-v", "--tokens", stage.write("tokens", "".join(lines)))


def no_secret(stage):
    for process in stage.processes:
        expect("canary-" not in process.err + process.out, f"a token was told: {process.argv}: {process.err[-500:]}")
    with open(os.path.join(stage.path, "locks.db"), "rb") as file:
        expect(b"canary-" not in file.read(), "a token is in the store")


def replaced(stage):
    """replaced while the lock is held: the file is read again after a 401, and the hold goes on"""
    server = serve(stage, line(OLD))
    file = stage.write("token", OLD + "\n")
    worker = stage.worker("worker")
    holder = stage.hold(server, worker, "-vv", "--token-file", file, "--ttl", "6s")
    believe(stage, server, line(NEW))
    until(lambda: "/v1/renew 401" in server.err or not holder.running(), "the old one is refused")
    os.rename(stage.write("token.new", NEW + "\n"), file)
    until(lambda: server.err.rpartition("/v1/renew 401")[2].count("/v1/renew 200") >= 1 or not holder.running(), "it is renewed")
    worker.leave()
    holder.ended(0)
    expect(worker.find("term") is None, "the command was disturbed")
    no_secret(stage)


def taken_away(stage):
    """taken away for good: renewals are tried until the lease says stop, 76; who waits for the lock hears at once, 77"""
    server = serve(stage, line(OLD), line(NEW, "other"))
    file, other_file = stage.write("token", OLD), stage.write("other-token", NEW)
    worker = stage.worker("worker")
    holder = stage.hold(server, worker, "-vv", "--token-file", file)
    waiter = stage.start("exec", server, "-vv", "--token-file", other_file, "job", "--", "true")
    until(lambda: "/v1/acquire" in waiter.err or "waiting" in waiter.err, "it waits")
    believe(stage, server, line("x" * 40, "nobody"))
    holder.ended(76)
    expect(file in holder.err or "too many wrong tokens" in holder.err, f"it does not say why: {holder.err}")
    waiter.ended(77)
    expect(other_file in waiter.err, f"it does not name the file: {waiter.err}")
    no_secret(stage)


def not_allowed(stage):
    """no token, a wrong one, one that may only read, one for other names: 77, the file named, and nothing runs"""
    server = serve(stage, line(OLD, "reader", "read"), line(NEW, "web", "lock", "web/"))
    wrong, reader, web = stage.write("wrong", "canary-wrong"), stage.write("reader", OLD), stage.write("web", NEW)
    for file in (None, wrong, reader, web):
        options = ("--token-file", file) if file else ()
        client = stage.run("exec", server, "-vv", *options, "job", "--", "touch", "ran", status=77)
        expect((file or "--token-file") in client.err, f"it does not name the file: {client.err}")
    stage.run("exec", server, "--token-file", web, "web/job", "--", "true", status=0)
    expect(not os.path.exists(os.path.join(stage.path, "ran")), "it ran")
    no_secret(stage)


def bad_file(stage):
    """a file that cannot be read, has nothing or several lines in it: told before the server is asked"""
    server = serve(stage, line(OLD))
    for file in ("/nowhere/token", stage.write("empty", ""), stage.write("lines", OLD + "\n" + NEW + "\n"), stage.path):
        client = stage.run("exec", server, "--token-file", file, "job", "--", "true")
        expect(client.ended() in (64, 77, 78) and file in client.err, f"{file}: {client.ended()}: {client.err}")
    expect("/v1/" not in server.err, "the server was asked")
    no_secret(stage)


def mid_hold_file_gone(stage):
    """a file that is away for a moment, as where a secret is mounted anew, does no harm"""
    server = serve(stage, line(OLD))
    file = stage.write("token", OLD)
    worker = stage.worker("worker")
    holder = stage.hold(server, worker, "--token-file", file, "--ttl", "3s")
    os.unlink(file)
    renewals = server.err.count("/v1/renew 200")
    until(lambda: server.err.count("/v1/renew 200") > renewals or not holder.running(), "it is renewed")
    stage.write("token", OLD)
    worker.leave()
    holder.ended(0)
    expect(worker.find("term") is None, "the command was disturbed")


if __name__ == "__main__":
    tell(replaced, taken_away, not_allowed, bad_file, mid_hold_file_gone)
