# SPDX-License-Identifier: Apache-2.0
"""Inspected flows are over, or out of the filters' hands: what both ends see of it."""
import os
import signal

import pytest

from harness.lab import Lab
from harness.wait import wait_until


def test_a_server_that_speaks_after_the_filter_has_seen_enough_is_heard(netext, inspecting, client, peer):
    def hear_and_answer(connection):
        heard = connection.recv(5)
        connection.sendall(bytes(300000))
        return heard

    inspecting("80 first 5")
    peer(80, hear_and_answer)
    for _ in range(20):
        heard = client.python("""
            connection = socket.create_connection((address, 80), 5)
            connection.settimeout(2)
            connection.sendall(b"hello")
            answer = 0
            try:
                while received := connection.recv(65536):
                    answer += len(received)
            except TimeoutError:
                pass
        """, address=Lab.SERVER)
        assert heard == 300000


@pytest.mark.parametrize("how", ("watch", "outbound"))
def test_inspected_flows_break_with_flowd_and_are_told_so(netext, inspecting, client, peer, how):
    """Cut off is not ended, neither for the program nor for its server."""
    inspecting(f"80 {how}")
    server = peer(80, lambda connection: (connection.sendall(b"!"), connection.recv(5), connection.recv(5)))
    process = client.start_python("""
        connection = socket.create_connection((address, 80), 20)
        connection.settimeout(10)
        connection.sendall(b"one")
        connection.recv(100)
        print("ready", flush=True)
        try:
            answer = connection.recv(100).decode()
        except OSError as error:
            answer = errno.errorcode.get(error.errno, "timeout")
    """, address=Lab.SERVER)
    client.wait_for_ready(process)
    netext.kill(netext.flowd_pid())
    assert client.python_answer(process) == "ECONNRESET"
    wait_until(lambda: server.results == ["ConnectionResetError"], lambda: f"the server saw {server.results}")


def test_a_filter_that_is_too_late_has_not_broken_anything(netext, inspecting, client, server):
    """Its flow went on without it, by the fail policy; what it says afterwards is said too late, and no more."""
    inspecting("80 watch", verdict_timeout=500)
    process = client.start_python("""
        connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        connection.settimeout(20)
        connection.connect((address, 80))
        connection.send(b"one")
        connection.recv(100)
        print("ready", flush=True)
        sys.stdin.readline()
        connection.send(b"two")
        answer = connection.recv(100).decode()
    """, address=Lab.SERVER)
    client.wait_for_ready(process)
    pid = netext.extension_pid("inspecting")
    netext.kill(pid, signal.SIGSTOP)
    process.stdin.write("go\n")
    process.stdin.flush()
    assert client.python_answer(process, 20) == "two"
    os.kill(pid, signal.SIGCONT)
    assert client.tcp(80).error is None
    assert netext.extension_pid("inspecting") == pid and netext.session("inspecting")["state"] == "running"
