# SPDX-License-Identifier: Apache-2.0
"""F24: clients that send slowly, nothing, too much or nonsense. Those that behave are served as if nobody else were there."""

import contextlib
import os
import select
import socket
import ssl
import threading
import time

from certificates import Authority
from story import PATIENCE, SANITIZED, boot_time, expect, tell, until

HEAD = b"POST /v1/acquire HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
CASES = {
    "both Content-Length and chunks": (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}abc", 400),
    "a negative length": (HEAD + b"Content-Length: -2\r\n\r\n{}", 400),
    "a chunk of no size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
    "a negative chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", 400),
    "a chunk beyond all numbers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n{}\r\n", (400, 413)),
    "an announced body of a gigabyte": (HEAD + b"Content-Length: 1073741824\r\n\r\n", 413),
    "chunks without end": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 200, 413),
    "a long header": (HEAD + b"X: " + b"x" * 100000 + b"\r\n\r\n", 431),
    "many fields": (HEAD + b"X: y\r\n" * 5000 + b"\r\n", 431),
    "a long target": (b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (414, 431)),
    "garbage": (bytes(range(1, 256)) * 8 + b"\r\n\r\n", 400),
    "TLS where there is none": (bytes.fromhex("160301020001fc0303") + b"\x00" * 64, 400),
    "another protocol": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    "NUL in a field": (HEAD + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}", 400),
    "a field without a name": (HEAD + b": y\r\nContent-Length: 2\r\n\r\n{}", 400),
    "a line that is folded": (HEAD + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", 400),
    "no JSON": (HEAD + b"Content-Length: 4\r\n\r\nnope", 400),
    "deep JSON": (HEAD + b"Content-Length: 40000\r\n\r\n" + b"[" * 40000, 400),
}


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def status_of(connection):
    """Of the one answer; 0 where there is none."""
    seen = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            seen += piece
    return int(seen.split(b" ", 2)[1]) if seen.startswith(b"HTTP/1.") else 0


class Customer:
    """One who behaves: takes a lock and gives it back, over and over, and looks at the clock."""

    def __init__(self, server):
        self.took, self.flaws = [], []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(server,), daemon=True)
        self._thread.start()

    def _serve(self, server):
        number = 0
        while not self._over.is_set():
            number += 1
            began = time.monotonic()
            try:
                answer = server.acquire(f"customer-{number % 7}")
                done = server.ask("POST", "/v1/release", {"name": f"customer-{number % 7}", "handle": answer["handle"],
                                                          "request_id": f"release-{number}"})
                if done[0] != 200:
                    self.flaws.append(str(done))
            except Exception as flaw:  # pylint: disable=broad-except  # whatever it is, it is told
                self.flaws.append(repr(flaw))
            self.took.append(time.monotonic() - began)
            time.sleep(0.005)

    def happy(self, stage):
        until(lambda: len(self.took) > 20, "it came often enough")
        self._over.set()
        self._thread.join()
        expect(not self.flaws, f"a client that behaves was hurt: {self.flaws[:3]}")
        took = sorted(self.took)
        slow = took[int(len(took) * 0.99)]
        expect(slow < 0.2 + stage.lateness.worst, f"a hundredth of {len(took)} visits took longer than {slow:.3f} s")


def memory_of(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) >> 10


def descriptors_of(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def nonsense(stage):
    """what cannot be understood in one way only, or is too large, is refused and the connection closed; the next is
    served"""
    server = stage.serve()
    before = descriptors_of(server)
    customer = Customer(server)
    for what, (sent, wanted) in CASES.items():
        with connect(server) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
            status = status_of(connection)
        expect(status in (wanted if isinstance(wanted, tuple) else (wanted,)), f"{what}: {status} and not {wanted}")
    expect(not server.lock("job")["holders"], "something was granted")
    customer.happy(stage)
    until(lambda: descriptors_of(server) <= before + 2, "no descriptors are left")


def slow_and_silent(stage):
    """hundreds that say nothing or a byte now and then: cut off in their time, and nobody else waits for them"""
    server = stage.serve()
    before = descriptors_of(server)
    customer = Customer(server)
    memory = memory_of(server)
    slow = [connect(server) for _ in range(60)]
    silent = [connect(server) for _ in range(240)]
    began = boot_time()
    for connection in slow:
        connection.sendall(HEAD)
    open_ones = set(slow)
    ends = {}
    while open_ones and boot_time() < began + PATIENCE:
        for connection in list(open_ones):
            readable = select.select([connection], [], [], 0)[0]
            if readable:
                ends[connection] = status_of(connection)
                open_ones.discard(connection)
            else:
                with contextlib.suppress(OSError):
                    connection.sendall(b"X")
        time.sleep(0.3)
    took = boot_time() - began
    expect(not open_ones, f"{len(open_ones)} slow ones are still there after {took:.1f} s")
    expect(took < 13 + stage.lateness.worst, f"they were there for {took:.1f} s")
    expect(set(ends.values()) <= {408, 0}, f"answered with {set(ends.values())}")
    for connection in silent:
        expect(status_of(connection) == 0, "a silent one was answered")
    expect(SANITIZED or memory_of(server) < memory + 32, f"{memory_of(server)} MB, and {memory} before")
    customer.happy(stage)
    for connection in slow + silent:
        connection.close()
    until(lambda: descriptors_of(server) <= before + 2, "no descriptors are left")


def too_many(stage):
    """more connections than it will have: told so (503), who is in goes on, and there is room again when some go"""
    server = stage.serve("--max-connections", "40")
    worker = stage.worker("worker")
    holder = stage.hold(server, worker)
    until(lambda: "/v1/renew 200" in server.err, "it is in with all that it needs")
    crowd = [connect(server) for _ in range(60)]
    refused = [connection for connection in crowd if select.select([connection], [], [], 1.0)[0]]
    expect(len(refused) >= 15, f"{len(refused)} of 60 were refused")
    expect(all(status_of(connection) in (503, 0) for connection in refused), "refused in another way")
    renewals = server.err.count("/v1/renew 200")
    until(lambda: server.err.count("/v1/renew 200") >= renewals + 2, "who is in goes on")
    for connection in crowd:
        connection.close()
    stage.run("exec", server, "other", "--", "true", status=0)
    worker.leave()
    holder.ended(0)
    expect(worker.find("term") is None, "the holder was disturbed")


def garbage_for_tls(stage):
    """garbage, silence and plain HTTP at the port of HTTPS: refused or cut off, beside clients that speak TLS"""
    authority = Authority(stage.path, "ca")
    certificate, key = authority.sign("server")
    server = stage.serve("--tls-cert", certificate, "--tls-key", key)
    worker = stage.worker("worker")
    holder = stage.hold(server, worker, "--cacert", authority.file)
    context = ssl.create_default_context(cafile=authority.file)
    for sent in (os.urandom(4096), bytes.fromhex("160301ffff") + os.urandom(70000), HEAD + b"\r\n", b"\x16\x03\x01"):
        for _ in range(10):
            with connect(server) as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(sent)
                    connection.shutdown(socket.SHUT_WR)
                status_of(connection)
        with connect(server) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(b"GET /v1/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            expect(connection.recv(100).startswith(b"HTTP/1.1 200"), "one that speaks TLS is not served")
    expect(server.err.count("handshake") < 20, "each of them is told of")
    worker.leave()
    holder.ended(0)
    expect(worker.find("term") is None, "the holder was disturbed")


def sent_ahead(stage):
    """hundreds of requests sent ahead are answered in their order, and one that expects 100 is told to go on"""
    server = stage.serve()
    customer = Customer(server)
    with connect(server) as connection:
        request = b"GET /v1/locks?name=n%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        sender = threading.Thread(target=lambda: connection.sendall(b"".join(request % n for n in range(300))))
        sender.start()
        seen = b""
        while seen.count(b'"name":"n') < 300:
            piece = connection.recv(1 << 20)
            expect(piece, f"closed after {seen.count(b'HTTP/1.1 200')}")
            seen += piece
        sender.join()
        names = [int(part.split(b'"', 1)[0]) for part in seen.split(b'"name":"n')[1:]]
        expect(names == list(range(300)), "in another order")
    with connect(server) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        expect(connection.recv(100).startswith(b"HTTP/1.1 100"), "it is not told to go on")
    customer.happy(stage)


def without_end(stage):
    """clients that send requests ahead without end keep nobody waiting"""
    server = stage.serve()
    over = threading.Event()
    requests = b"GET /v1/locks?name=n HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 500

    def send(connection):
        with contextlib.suppress(OSError):
            while not over.is_set():
                connection.sendall(requests)

    def take(connection):
        with contextlib.suppress(OSError):
            while connection.recv(1 << 20):
                pass

    connections = [connect(server) for _ in range(3)]
    takers = [threading.Thread(target=take, args=(connection,)) for connection in connections]
    senders = [threading.Thread(target=send, args=(connection,)) for connection in connections]
    for thread in takers + senders:
        thread.start()
    customer = Customer(server)
    try:
        until(lambda: len(customer.took) > 20, "a client that behaves was served")
        slow = sorted(customer.took)[len(customer.took) // 2]
        expect(slow < 0.2, f"it takes {slow:.3f} s to take a lock and give it back")
    finally:
        over.set()
        for connection in connections:
            connection.shutdown(socket.SHUT_RDWR)
        for thread in senders + takers:
            thread.join()
    customer.happy(stage)


if __name__ == "__main__":
    tell(slow_and_silent, nonsense, too_many, garbage_for_tls, sent_ahead, without_end)
