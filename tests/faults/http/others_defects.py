# SPDX-License-Identifier: Apache-2.0
"""What other lock programs were seen to do wrong, under its number, tried with real processes at a lock server; D1 to
D19 are tested one by one at the server's table, the client and the rules of leases, D17 with F15."""

import os

from story import TTL, boot_time, expect, tell, until


def after_a_loss(stage):
    """D7: whoever has lost its lock ends at once, and a release after it says so (76) and does not hang"""
    server = stage.serve()
    worker = stage.worker("worker")
    holder = stage.hold(server, worker)
    handle = stage.run("acquire", server, "--ttl", "2s", "kept", status=0).out.strip()
    for name in ("job", "kept"):
        stage.run("release", server, "--force", "--yes", name, status=0)
    broken = boot_time()
    holder.ended(76)
    expect(boot_time() - broken < TTL + stage.lateness.worst, f"it took {boot_time() - broken:.2f} s to end")
    # Whether or not the keeper has heard of it yet.
    began = boot_time()
    stage.run("release", server, "kept", handle, status=76)
    expect(boot_time() - began < 3 + stage.lateness.worst, f"a release took {boot_time() - began:.2f} s")
    stage.run("exec", server, "-n", "kept", "--", "true", status=0)


def a_crowd(stage):
    """D10, D11: two dozen who want one lock, over and over: none is refused, all have it, one at a time"""
    server = stage.serve()
    log = os.path.join(stage.path, "log")
    command = f'echo in >>{log}; [ "$(tail -n 1 {log})" = in ] || exit 9; mkdir {stage.path}/only || exit 8; ' \
              f'rmdir {stage.path}/only; echo out >>{log}'
    crowd = [stage.start("exec", server, "job", "--", "sh", "-c", command) for _ in range(24)]
    for client in crowd:
        client.ended(0)
    with open(log, encoding="ascii") as file:
        lines = file.read().split()
    expect(lines == ["in", "out"] * 24, f"not one at a time: {lines}")
    expect(server.ask("GET", "/v1/locks")[1]["locks"] == [], "something is left")


def shared_holders(stage):
    """D3, D16: readers have a hold each: one release is one reader's, and where all are broken each of them hears of
    it"""
    server = stage.serve()
    readers = [stage.worker(f"reader-{number}", "unwitnessed") for number in range(3)]
    running = [stage.hold(server, reader, "-s") for reader in readers]
    handles = {reader.find("enter")[4] for reader in readers}
    expect(len(handles) == 3, "they share a handle")
    readers[0].leave()
    running[0].ended(0)
    body = {"name": "job", "handle": readers[0].find("enter")[4], "request_id": "again"}
    expect(server.ask("POST", "/v1/release", body)[0] == 410, "the same hold was given back twice")
    expect(len(server.holders("job")) == 2, "a release took another's hold")
    stage.run("exec", server, "-n", "job", "--", "true", status=75)
    stage.run("release", server, "--force", "--yes", "job", status=0)
    for reader, process in zip(readers[1:], running[1:]):
        process.ended(76)
        expect(reader.find("term"), f"{reader.name} was not told to end")


def a_reader_dies(stage):
    """D2, D4: a writer waits for a reader that died for one lease and no longer, and then has the lock alone"""
    server = stage.serve()
    dead, writer = stage.worker("dead", "unwitnessed"), stage.worker("writer")
    first = stage.hold(server, dead, "-s")
    second = stage.wait_for(server, writer, server=server)
    first.kill()
    killed = boot_time()
    writer.entered(second)
    expect(writer.entered() - killed < TTL + 1 + stage.lateness.worst, f"after {writer.entered() - killed:.2f} s")
    stage.run("exec", server, "-s", "-n", "job", "--", "true", status=75)
    writer.leave()
    second.ended(0)


def a_try_leaves_nothing(stage):
    """D9, D13: tries and waits that are over leave no place in the queue: the next is in when it is released"""
    server = stage.serve()
    worker, other = stage.worker("worker"), stage.worker("other", "leave")
    holder = stage.hold(server, worker)
    for options in (("-n",), ("-w", "300ms"), ("-n", "-s")):
        stage.run("exec", server, *options, "job", "--", "true", status=75)
    until(lambda: not server.waiters("job"), "no place is left", patience=2)
    waiter = stage.wait_for(server, other, server=server)
    freed = boot_time()
    worker.leave()
    holder.ended(0)
    waiter.ended(0)
    expect(other.entered() - freed < 1 + stage.lateness.worst, f"it waited {other.entered() - freed:.2f} s for nobody")


if __name__ == "__main__":
    tell(after_a_loss, a_crowd, shared_holders, a_reader_dies, a_try_leaves_nothing)
