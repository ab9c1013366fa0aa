# SPDX-License-Identifier: Apache-2.0
"""F26: certificates that are not what they should be. Never is a lock taken without a good one."""

import os
import signal
import socket
import ssl
import threading
import warnings

from certificates import Authority
from story import expect, tell, until


def serve_tls(stage, certificate, *options):
    return stage.serve("--tls-cert", certificate[0], "--tls-key", certificate[1], *options)


def refused(stage, where, why, *options):
    """77, the reason, and nothing that ran. Also with TLS 1.3, where a server's no to a certificate comes when the
    client's half of the handshake is done, and its request on its way."""
    worker = stage.worker(f"worker-{next(stage.serials)}", "leave")
    client = stage.run("exec", where, *options, "job", "--", *worker.argv, status=77)
    expect(worker.find("enter") is None, "it ran")
    said = client.err.lower()
    expect(any(reason in said for reason in why), f"it does not say {why}: {client.err}")


def bad_certificates(stage):
    """a certificate that has expired, is for another host, or of an unknown authority: 77 with the reason, and nothing
    is sent"""
    authority, stranger = Authority(stage.path, "ca"), Authority(stage.path, "stranger")
    cases = [
        (authority.sign("expired", days="-1"), authority, ("expired",)),
        (authority.sign("elsewhere", "DNS:elsewhere.example"), authority, ("match", "mismatch", "does not")),
        (stranger.sign("unknown"), authority, ("unable to get", "issuer", "self-signed", "self signed", "verify")),
    ]
    for certificate, trusted, why in cases:
        server = serve_tls(stage, certificate)
        refused(stage, server, why, "--cacert", trusted.file)
        expect("POST" not in server.err, f"a request was sent: {server.err}")
        server.kill()


def no_fall_back(stage):
    """a server without TLS is not spoken to without it, nor one with TLS by plain HTTP"""
    authority = Authority(stage.path, "ca")
    plain = stage.serve()
    client = stage.run("exec", plain.url.replace("http:", "https:"), "--cacert", authority.file, "job", "--", "true")
    expect(client.ended() in (65, 69, 77), f"status {client.ended()}")
    expect("POST" not in plain.err, "it was asked without TLS")
    server = stage.serve("--tls-cert", authority.sign("server")[0], "--tls-key", f"{stage.path}/server.key",
                         store=f"sqlite:{stage.path}/other.db")
    client = stage.run("exec", server.url.replace("https:", "http:"), "job", "--", "true")
    expect(client.ended() in (65, 69, 77), f"status {client.ended()}: {client.err}")
    stage.run("exec", server, "--cacert", authority.file, "job", "--", "true", status=0)


def old_server(certificate):
    """A server that speaks TLS 1.1 and nothing newer; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def old_protocol(stage):
    """TLS 1.1: neither does the client speak it with an old server, nor the server with an old client"""
    authority = Authority(stage.path, "ca")
    port = old_server(authority.sign("old"))
    client = stage.run("exec", f"https://127.0.0.1:{port}", "--cacert", authority.file, "-w", "3s", "job", "--", "true")
    expect(client.ended() in (69, 77), f"status {client.ended()}: {client.err}")
    expect("protocol version" in client.err or "tls" in client.err.lower(), client.err)
    server = serve_tls(stage, authority.sign("server"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.file)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            context.wrap_socket(plain, server_hostname="127.0.0.1")
        expect(False, "the server speaks TLS 1.1")
    except ssl.SSLError:
        pass


def client_certificates(stage):
    """a server that wants to see certificates: none, one of a stranger or an old one is served nothing; a good one
    takes the lock"""
    authority, stranger = Authority(stage.path, "ca"), Authority(stage.path, "stranger")
    server = serve_tls(stage, authority.sign("server"), "--client-ca", authority.file)
    trust = ("--cacert", authority.file)
    strange, late = stranger.sign("mallory", "DNS:mallory"), authority.sign("late", "DNS:late", days="-1")
    for _ in range(10):  # whichever of the two is faster
        refused(stage, server, ("certificate",), *trust)
        refused(stage, server, ("does not take the certificate of --cert",), *trust, "--cert", strange[0], "--key", strange[1])
        refused(stage, server, ("expired",), *trust, "--cert", late[0], "--key", late[1])
    expect("POST" not in server.err, f"a request was served: {server.err}")
    certificate, key = authority.sign("alice", "DNS:alice")
    stage.run("exec", server, *trust, "--cert", certificate, "--key", key, "job", "--", "true", status=0)


def rotated(stage):
    """new certificates by SIGHUP, of a new authority: who holds goes on, who comes sees the new one; bad ones change
    nothing"""
    old, new = Authority(stage.path, "old"), Authority(stage.path, "new")
    both = stage.write("both.pem", open(old.file, encoding="ascii").read() + open(new.file, encoding="ascii").read())
    server = serve_tls(stage, old.sign("server"))
    holder = stage.worker("holder")
    first = stage.hold(server, holder, "--cacert", both)
    stage.write("server.pem", "no certificate\n")
    server.signal(signal.SIGHUP)
    until(lambda: "server.pem" in server.err.split("listening", 1)[1], "it says that it cannot use that")
    stage.run("exec", server, "--cacert", old.file, "other", "--", "true", status=0)
    new.sign("server", out="server")
    server.signal(signal.SIGHUP)
    until(lambda: stage.run("exec", server, "--cacert", new.file, "other", "--", "true").ended() == 0, "the new one is shown")
    refused(stage, server, ("unable to get", "issuer", "self-signed", "self signed", "verify"), "--cacert", old.file)
    renewals = server.err.count("POST /v1/renew")
    until(lambda: server.err.count("POST /v1/renew") >= renewals + 3, "the hold is renewed")
    expect(first.running() and holder.find("term") is None, "the holder was disturbed")
    holder.leave()
    first.ended(0)


def unusable_keys(stage):
    """a key that is missing, of another certificate or that nobody may read is told at the start (78), one that all
    may read is told of"""
    authority = Authority(stage.path, "ca")
    certificate, key = authority.sign("server")
    other = authority.sign("other")[1]
    for bad in (other, "/nowhere/server.key"):
        process = stage.process("serve", "--listen", "127.0.0.1:0", "--store", "memory", "--tls-cert", certificate,
                                "--tls-key", bad)
        process.ended(78)
    os.chmod(key, 0o644)
    server = serve_tls(stage, (certificate, key))
    expect("server.key" in server.err, f"nothing is said of it: {server.err}")


warnings.filterwarnings("ignore", category=DeprecationWarning)  # old versions of TLS are what this is about

if __name__ == "__main__":
    tell(bad_certificates, no_fall_back, old_protocol, client_certificates, rotated, unusable_keys)
