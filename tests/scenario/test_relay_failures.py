# SPDX-License-Identifier: Apache-2.0
"""The bundled relay: what programs and the administrator are told of upstreams that fail."""
import os
import pathlib
import socket
import tempfile

import pytest

from harness.lab import Lab
from harness.paths import EXTENSIONS, for_everybody
from harness.upstream import KINDS
from harness.wait import wait_until


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_is_a_refused_connection(netext, relay, client, server, upstream, tmp_path, kind):
    proxy = upstream(kind, credentials=("alice", "sesame-1"))
    relay(proxy.line("office", "credentials secret"), "via office port 80", secret="alice:sesame-2")
    answer = client.tcp(80)
    assert answer.error == "ECONNREFUSED" and answer.ms < 1000
    flow = netext.flow(local_port=answer.local_port)
    assert (flow["verdict"], flow["reason"]) == ("refuse", "upstream-failed")
    netext.wait_for_message("relay", f"upstream office refused the user or the password (flow {flow['flow']})")
    assert server.seen == []
    (tmp_path / "secret").write_text("alice:sesame-1\n", encoding="utf-8")
    netext.wait_for_message("relay", "new credentials in force: secret")
    assert client.tcp(80).error is None
    command_line = pathlib.Path(f"/proc/{netext.extension_pid('relay')}/cmdline").read_bytes()
    assert "sesame" not in netext.messages() and b"sesame" not in command_line


@pytest.mark.parametrize("kind", KINDS)
def test_missing_credentials_are_named(netext, relay, client, server, upstream, kind):
    relay(upstream(kind, credentials=("alice", "sesame-1")).line("office"), "via office port 80")
    assert client.tcp(80).error == "ECONNREFUSED"
    netext.wait_for_message("relay", "upstream office wants credentials and was given none")


@pytest.mark.parametrize("kind", KINDS)
def test_an_upstream_that_is_away(netext, relay, client, server, upstream, kind):
    proxy = upstream(kind)
    relay(proxy.line("office"), "via office port 80")
    proxy.stop()
    answer = client.tcp(80)
    assert answer.error == "ECONNREFUSED" and answer.ms < 500
    netext.wait_for_message("relay", "upstream office cannot be reached: Connection refused")
    upstream(kind)
    wait_until(lambda: client.tcp(80).error is None and "works again" in netext.message("relay"),
               lambda: f"it does not work again: {netext.sessions()}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_destination_that_refuses_behind_the_upstream(netext, relay, client, upstream, kind):
    """That is between the program and its destination: nobody else is told."""
    relay(upstream(kind).line("office"), "via office")
    answer = client.tcp(81)
    assert answer.error == "ECONNREFUSED" and answer.ms < 1000
    assert "upstream" not in netext.message("relay")


def test_an_upstream_that_says_nothing(netext, relay, client, silent):
    relay(f"upstream office socks5 {Lab.SERVER}:1080", "timeout 1", "via office port 80")
    answer = client.tcp(80, Lab.SERVER, "-t", "2500")
    assert answer.error == "ETIMEDOUT"
    netext.wait_for_message("relay", "upstream office did not finish the handshake in time")


@pytest.mark.parametrize("kind", KINDS)
def test_an_upstream_of_another_protocol(netext, relay, client, peer, kind):
    peer(1080, lambda connection: connection.sendall(b"SSH-2.0-OpenSSH\r\n"))
    relay(f"upstream office {kind} {Lab.SERVER}:1080", "via office port 80")
    assert client.tcp(80).error == "ECONNREFUSED"
    netext.wait_for_message("relay", "upstream office answered with something that is not its protocol")


def test_too_many_handshakes_are_refused_early(netext, relay, client, silent):
    relay(f"upstream office socks5 {Lab.SERVER}:1080", "handshakes 2", "via office port 80")
    for count in (1, 2):
        client.start("tcp", Lab.SERVER, 80, "-t", "20000")
        wait_until(lambda: len(silent.came) == count, "the relay did not come to its upstream")
    answer = client.tcp(80)
    assert answer.error == "ECONNREFUSED" and answer.ms < 500
    netext.wait_for_message("relay", "2 handshakes with upstreams are in progress, and no more are allowed")


def test_a_relay_without_descriptors_recovers(netext, rules, client, silent):
    """Its upstream lets it wait until there are none left."""
    path = rules(f"upstream office socks5 {Lab.SERVER}:1080", "via office port 80")
    with tempfile.NamedTemporaryFile("w", prefix="relay-", dir="/tmp", delete=False) as program:
        program.write(f"#!/bin/sh\nulimit -n 24\nexec {for_everybody(EXTENSIONS / 'relay')}\n")
    try:
        os.chmod(program.name, 0o755)
        netext.start_session(program.name, "--name", "relay", "--rules", path)
        for _ in range(24):
            client.start("tcp", Lab.SERVER, 80, "-t", "60000")
        netext.wait_for_message("relay", "flows are refused: no socket can be made: Too many open files")
    finally:
        os.unlink(program.name)
    answer = client.tcp(80)
    assert answer.error == "ECONNREFUSED" and answer.ms < 500
    assert netext.messages().count("no socket can be made") == 1
    came = len(silent.came)
    silent.came[0].shutdown(socket.SHUT_RDWR)
    wait_until(lambda: client.start("tcp", Lab.SERVER, 80) and len(silent.came) > came,
               "the relay did not make another socket")
