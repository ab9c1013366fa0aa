# SPDX-License-Identifier: Apache-2.0
"""F13: the server, or what stands before it, answers with 429 or 5xx, and with Retry-After in all of its forms."""

import email.utils
import time

from scripted import Scripted, failure, good
from story import TERM_AFTER, boot_time, expect, is_near, tell

STATUSES = (429, 500, 502, 503, 504)


def acquires(answer):
    """A server whose answers to acquire are answer(nth), where that is none as good ones."""
    return Scripted(lambda nth, path, body: (answer(nth) if path == "/v1/acquire" else None) or good(path, body))


def tried_again(stage):
    """whoever waits asks again, whichever of them it is, and has the lock when it goes"""
    for status in STATUSES:
        server = acquires(lambda nth, status=status: failure(status) if nth < 2 else None)
        stage.run("exec", server, "-w", "10s", "job", "--", "true", status=0)
        expect(server.count("/v1/acquire") == 3, f"{status}: asked {server.count('/v1/acquire')} times")
        ids = {body["request_id"] for body in server.bodies("/v1/acquire")}
        expect(len(ids) == 1, f"{status}: {len(ids)} different requests")


def not_waited_for(stage):
    """a try is over at once, with 69 and not as if another had the lock"""
    for status in STATUSES:
        server = acquires(lambda nth, status=status: failure(status, Retry_After="3600"))
        client = stage.run("exec", server, "-n", "job", "--", "true", status=69)
        expect("made up" in client.err, client.err)


def retry_after(stage):
    """Retry-After is heeded up to some seconds, and what is none of its forms is not"""
    now = time.time()
    cases = [("1", 0.95, 3), ("soon", 0, 0.95), ("-1", 0, 0.95), ("", 0, 0.95), ("1e9", 0, 0.95), ("99999999999999999999", 0, 6.5),
             (email.utils.formatdate(now - 60, usegmt=True), 0, 0.95), ("3600", 1, 6.5),
             (email.utils.formatdate(now + 3600, usegmt=True), 1, 6.5)]
    for text, least, most in cases:
        server = acquires(lambda nth, text=text: failure(503, Retry_After=text) if nth == 0 else None)
        began = boot_time()
        client = stage.run("exec", server, "-w", "8s", "job", "--", "true")
        took = boot_time() - began
        # A server that has not given one good answer is given up after five seconds.
        expect(client.ended() in ((0, 69) if most > 5 else (0,)), f"{text!r}: {client.ended()}: {client.err}")
        expect(least <= took < most + stage.lateness.worst, f"{text!r}: {took:.2f} s")


def never_past_the_timeout(stage):
    """no Retry-After makes a wait longer than its timeout"""
    server = acquires(lambda nth: failure(503, Retry_After="3600"))
    began = boot_time()
    stage.run("exec", server, "-w", "2s", "job", "--", "true", status=69)
    is_near(boot_time(), began + 2, 1.2, stage, "the end of the wait")


def a_bad_renewal(stage):
    """a renewal that is answered so is made again within the lease, whatever Retry-After says"""
    server = Scripted(lambda nth, path, body: failure(STATUSES[nth // 2 % 5], Retry_After="3600")
                      if path == "/v1/renew" and nth % 2 == 0 else good(path, body))
    worker = stage.worker("worker")
    holder = stage.hold(server, worker)
    while server.count("/v1/renew") < 8:
        expect(holder.running(), f"it lost the lock: {holder.err}")
        time.sleep(0.01)
    worker.leave()
    holder.ended(0)
    expect(worker.find("term") is None, "the command was disturbed")


def only_bad_renewals(stage):
    """where no renewal succeeds the command is ended at the computed moment, and the last answer is named"""
    for status in (429, 503):
        server = Scripted(lambda nth, path, body, status=status: failure(status, Retry_After="1") if path == "/v1/renew"
                          else good(path, body))
        worker = stage.worker(f"worker-{status}", "unwitnessed")
        began = boot_time()
        holder = stage.hold(server, worker)
        entered = worker.entered()
        holder.ended(76)
        expect("made up" in holder.err, holder.err)
        # The lease counts from when the lock was asked for, which is somewhere in between.
        term = worker.times("term")[0]
        expect(began + TERM_AFTER <= term < entered + TERM_AFTER + 0.3 + stage.lateness.worst, f"SIGTERM after {term - began:.2f} s")


if __name__ == "__main__":
    tell(retry_after, tried_again, not_waited_for, never_past_the_timeout, a_bad_renewal, only_bad_renewals)
