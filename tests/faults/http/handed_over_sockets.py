# SPDX-License-Identifier: Apache-2.0
"""Sockets that a service manager opened and hands over (LISTEN_FDS), wherever they stand and whatever --listen says."""

import http.client
import json
import os
import socket
import sys

from certificates import Authority
from story import LOCKGATE, PATIENCE, Process, expect, tell

MANAGER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "service_manager.py")
HERE, EVERYWHERE = "127.0.0.1", "0.0.0.0"


def opened(address):
    """As by the manager, which keeps it while services come and go."""
    return socket.create_server((address, 0), backlog=64)


def at(*sockets):
    return " ".join(f"{sock.getsockname()[0]}:{sock.getsockname()[1]}" for sock in sockets)


def start(stage, sockets, *options, store="memory"):
    """`lockgate serve` with these sockets, as a service."""
    fds = [sock.fileno() for sock in sockets]
    argv = [sys.executable, MANAGER, ",".join(map(str, fds)), LOCKGATE, "serve", "--store", store, *options]
    return stage.keep(Process(stage, argv, pass_fds=fds))


def ask(port, path="/readyz"):
    """Sends it at once, whether or not somebody serves; the connection, for answer()."""
    connection = http.client.HTTPConnection(HERE, port, timeout=PATIENCE)
    connection.request("GET", path)
    return connection


def answer(connection):
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, json.loads(text)


def open_doors(stage):
    """one that other hosts reach is refused without TLS and proofs of who comes (78), also beside one that only this
    host reaches; who knocked meanwhile is not served"""
    for handed in ((EVERYWHERE,), (HERE, EVERYWHERE)):
        sockets = [opened(address) for address in handed]
        knock = ask(sockets[-1].getsockname()[1])
        server = start(stage, sockets, "--listen", f"{HERE}:0", "--no-restart-grace")
        server.ended(78)
        expect(f"{at(sockets[-1])} can be reached from other hosts, and there is no TLS" in server.err, server.err)
        expect("listening on" not in server.err, f"it listened: {server.err}")
        knock.sock.settimeout(0)
        try:
            expect(not knock.sock.recv(1), "it was served")
        except OSError:
            pass
        for sock in sockets:
            sock.close()
    authority = Authority(stage.path, "ca")
    certificate, key = authority.sign("server")
    sockets = [opened(EVERYWHERE)]
    server = start(stage, sockets, "--no-restart-grace", "--tls-cert", certificate, "--tls-key", key)
    server.ended(78)
    expect("nobody has to prove who it is" in server.err, server.err)


def allowed_doors(stage):
    """with --insecure it is served; and so is one that only this host reaches, where --listen says something else"""
    for address, options in ((EVERYWHERE, ("--insecure",)), (HERE, ("--listen", "unix:/nowhere/at/all"))):
        with opened(address) as sock:
            server = start(stage, [sock], "--no-restart-grace", *options)
            server.says(f"listening on http://{at(sock)}\n")
            status, said = answer(ask(sock.getsockname()[1]))
            expect((status, said) == (200, {"status": "ready"}), f"{status} {said}")
            server.kill()


def between_two_lives(stage):
    """who comes while the server is away waits for its next life, and finds the locks of the last one"""
    store = f"sqlite:{stage.path}/locks.db"
    with opened(HERE) as sock:
        port = sock.getsockname()[1]
        early = ask(port, "/v1/locks?name=job")
        first = start(stage, [sock], store=store)
        expect(answer(early)[1]["locks"][0]["state"] == "free", "it is not free in the first life")
        holder = stage.worker("holder")
        command = stage.hold(f"http://{HERE}:{port}", holder)
        first.kill()
        late = ask(port, "/v1/locks?name=job")
        second = start(stage, [sock], store=store)
        state = answer(late)[1]["locks"][0]
        expect(state["state"] == "held" and state["fencing_token"] == holder.token, f"in the second life: {state}")
        expect(command.running() and holder.find("term") is None, "the holder was disturbed")
        holder.leave()
        command.ended(0)
        expect(second.running(), f"the second life is over: {second.err}")


if __name__ == "__main__":
    tell(open_doors, allowed_doors, between_two_lives)
