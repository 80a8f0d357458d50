# SPDX-License-Identifier: Apache-2.0
"""Packets that no TCP or UDP socket sent are asked about, and never given to somebody by a guess (R-19)."""
import pytest

SEND = """
import socket, struct, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
for _ in range(3):
    raw.sendto(struct.pack("!HHHH", 7777, 80, 13, 0) + b"hello", ("198.18.0.2", 0))
"""


def send_raw(client):
    done = client.run("/usr/bin/python3", "-c", SEND)
    assert done.returncode == 0, done.stderr


def test_a_raw_packet_is_asked_about(netext, scripted, client, server):
    scripted("80 drop")
    send_raw(client)
    flow = netext.flow(local_port=7777, remote_port=80)
    assert (flow["protocol"], flow["verdict"], flow["reason"]) == ("udp", "drop", "provider")
    assert server.seen == []


def test_its_owner_is_not_guessed(netext, scripted, client, server, lab):
    scripted("80 allow")
    holder = client.start("udp", lab.SERVER, 80, "-s")  # somebody else with a flow to the same server
    client.answer(holder)
    send_raw(client)
    flow = netext.flow(local_port=7777)
    assert flow["owner"] == "unattributed"
    assert "pid" not in flow and "program" not in flow and "uid" not in flow


@pytest.mark.kernel
def test_rules_hold_for_raw_packets(netext, firewall, client, server):
    firewall("deny port 80")
    send_raw(client)
    assert netext.flow(local_port=7777)["verdict"] in ("drop", "refuse")
    assert server.seen == []
