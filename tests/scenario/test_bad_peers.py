# SPDX-License-Identifier: Apache-2.0
"""Whoever talks nonsense to a daemon loses the connection; the daemon and everybody else go on."""
import os
import pathlib
import socket

import pytest

from harness.wait import wait_until


def garbage():
    return [b"", b"\0", b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 4096, os.urandom(60000),
            b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n" + b"l\1\0\1\xff\xff\xff\x7f" + b"\1" * 200]


def pour(path, kind):
    """Connects again and again, says one thing each time, and does not wait for an answer."""
    for words in garbage() * 3:
        with socket.socket(socket.AF_UNIX, kind) as peer:
            peer.settimeout(2)
            try:
                peer.connect(str(path))
                peer.send(words)
            except OSError:  # refused is fine too
                pass


@pytest.mark.parametrize("name, kind", [("control", socket.SOCK_STREAM), ("extension", socket.SOCK_SEQPACKET),
                                        ("flowd", socket.SOCK_SEQPACKET)])
def test_garbage_on_a_socket(netext, scripted, client, server, name, kind):
    scripted("80 allow")
    pids = netext.status()["netextd_pid"], netext.flowd_pid(), netext.extension_pid("scripted")
    pour(pathlib.Path("/run/netext") / netext.name / name, kind)
    wait_until(lambda: netext.ctl("status", check=False), "netextd does not answer any more")
    assert pids == (netext.status()["netextd_pid"], netext.flowd_pid(), netext.extension_pid("scripted"))
    answer = client.tcp(80)
    assert netext.flow(local_port=answer.local_port)["reason"] == "provider"


@pytest.mark.parametrize("fault", ["garbage", "nonsense"])
def test_an_extension_that_breaks_the_protocol_is_replaced(netext, scripted, client, server, fault):
    scripted(f"81 {fault}", "80 allow", fail_policy="open")
    pids = netext.status()["netextd_pid"], netext.flowd_pid()
    client.tcp(81)
    wait_until(lambda: netext.session("scripted")["restarts"] == 1, "the extension was not replaced")
    netext.wait_for_session("scripted", "running")
    assert pids == (netext.status()["netextd_pid"], netext.flowd_pid())
    answer = client.tcp(80)
    assert netext.flow(local_port=answer.local_port)["reason"] == "provider"
