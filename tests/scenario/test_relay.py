# SPDX-License-Identifier: Apache-2.0
"""The bundled relay: flows go on through real upstreams, and the program notices nothing."""
import hashlib
import random
import subprocess

import pytest

from harness.client import MAPPED
from harness.lab import Lab
from harness.upstream import ANSWERS, KINDS, shake_hands

PYTHON = "/usr/bin/python3"
# What the program says, the end of it, and what it hears then.
HALF_CLOSE = """
import socket
server = socket.create_connection(("198.18.0.2", 80), 10)
server.sendall(b"x" * 300000)
server.shutdown(socket.SHUT_WR)
print(server.makefile("rb").read().decode())
"""
LISTEN = """
import socket
server = socket.create_connection(("198.18.0.2", 80), 10)
print(server.makefile("rb").read().decode())
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_goes_through_the_upstream(netext, relay, client, server, upstream, kind):
    proxy = upstream(kind)
    relay(proxy.line("office"), "via office port 80")
    for count, address in enumerate((Lab.SERVER, MAPPED), 1):
        answer = client.tcp(80, address, "-n", "3", "-i", "5")
        assert (answer.error, answer.answers) == (None, 3), answer
        flow = netext.flow(local_port=answer.local_port)
        assert (flow["verdict"], flow["decided_by"]) == ("claim", "relay")
        assert proxy.reached(80) == count
    assert client.tcp(80, Lab.SERVER6).error is None
    assert client.udp(80).error is None  # not the relay's
    assert len({port for protocol, port, _ in server.seen if protocol == "tcp"}) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_download_is_byte_exact(lab, relay, client, upstream, tmp_path, kind):
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "file").write_bytes(random.Random(1).randbytes(10 << 20))
    lab.server.start([PYTHON, "-u", "-m", "http.server", "--bind", Lab.SERVER, "--directory", folder, "80"],
                     ready="Serving", stderr=subprocess.DEVNULL)
    proxy = upstream(kind)
    relay(proxy.line("office"), "default via office")
    curl = client.run("curl", "--silent", "--show-error", "-o", tmp_path / "got", f"http://{Lab.SERVER}/file")
    assert curl.returncode == 0, curl.stderr
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in (folder / "file", tmp_path / "got")}
    assert len(digests) == 1 and proxy.reached(80) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_credentials_open_the_way(netext, relay, client, server, upstream, kind):
    proxy = upstream(kind, credentials=("alice", "sesame-1"))
    relay(proxy.line("office", "credentials secret"), "via office port 80", secret="alice:sesame-1")
    assert client.tcp(80).error is None
    assert proxy.reached(80) == 1


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_destination_that_speaks_first_is_heard(relay, client, peer, kind):
    """Its words are in one segment with the upstream's."""

    def serve(connection):
        shake_hands(connection, kind, b"220 hello")

    peer(1080, serve)
    relay(f"upstream office {kind} {Lab.SERVER}:1080", "default via office")
    done = client.run(PYTHON, "-c", LISTEN)
    assert done.stdout == "220 hello\n", done.stderr


@pytest.mark.parametrize("kind", ["direct", *ANSWERS])
def test_an_end_in_one_direction_is_not_the_other_s(relay, client, peer, kind):
    """The packaged upstreams end both directions with the first, so this one is ours."""

    def serve(connection):
        if kind != "direct":
            shake_hands(connection, kind)
        connection.sendall(b"heard %d" % len(connection.makefile("rb").read()))

    if kind == "direct":
        peer(80, serve)
        relay("default direct")
    else:
        peer(1080, serve)
        relay(f"upstream office {kind} {Lab.SERVER}:1080", "default via office")
    done = client.run(PYTHON, "-c", HALF_CLOSE)
    assert done.stdout == "heard 300000\n", done.stderr


def test_the_connection_to_the_upstream_is_the_program_s(netext, relay, client, server, upstream):
    """It says whose it is, so it does not come to the relay again, though its rules want everything."""
    proxy = upstream("socks5")
    relay(proxy.line("office"), "default via office")
    answer = client.tcp(80)
    assert answer.error is None and proxy.reached(80) == 1
    own, carried = netext.flow(remote_port=80), netext.flow(remote_port=proxy.port)
    assert (carried["verdict"], carried["reason"]) == ("allow", "carried")
    assert (carried["origin_flow"], carried["origin_pid"]) == (own["flow"], answer.pid)
    assert carried["program"].endswith("/relay")
