# SPDX-License-Identifier: Apache-2.0
"""What is neither TCP nor UDP is decided as its socket is made: nothing is a silent way around a rule."""
import os

import pytest

from harness.client import PYTHON
from harness.lab import Lab

SOCKETS = """
answer = {}
for name, family, kind, protocol, address in (
        ("ping", socket.AF_INET, socket.SOCK_DGRAM, 1, server), ("ping6", socket.AF_INET6, socket.SOCK_DGRAM, 58, server6),
        ("raw-ping", socket.AF_INET, socket.SOCK_RAW, 1, server), ("lite", socket.AF_INET, socket.SOCK_DGRAM, 136, server),
        ("lite6", socket.AF_INET6, socket.SOCK_DGRAM, 136, server6), ("raw", socket.AF_INET, socket.SOCK_RAW, 99, server),
        ("raw-udp", socket.AF_INET, socket.SOCK_RAW, 17, server), ("raw6", socket.AF_INET6, socket.SOCK_RAW, 99, server6)):
    try:
        with socket.socket(family, kind, protocol) as ours:
            ours.sendto(bytes((8 if family == socket.AF_INET else 128, 0, 0, 0, 0, 0, 0, 0)), (address, 80 if "lite" in name else 0))
        answer[name] = "sent"
    except OSError as error:
        answer[name] = errno.errorcode[error.errno]
"""
PINGS = ("ping", "ping6", "raw-ping")
OTHERS = ("lite", "lite6", "raw", "raw-udp", "raw6")


@pytest.fixture
def attempt(lab, client):
    """What becomes of one socket of each kind: those that sent something."""
    lab.client.sysctl(net__ipv4__ping_group_range="0 1000")

    def run():
        made = client.python(SOCKETS, server=Lab.SERVER, server6=Lab.SERVER6)
        assert set(made.values()) <= {"sent", "EPERM"} and set(made) == {*PINGS, *OTHERS}, made
        return {name for name, outcome in made.items() if outcome == "sent"}

    return run


@pytest.mark.kernel
def test_rules_decide_about_them(attempt, netext, firewall, client, server):
    assert attempt() == {*PINGS, *OTHERS}
    firewall("allow port 80", "default deny")
    assert attempt() == set()
    assert client.tcp(80).error is None and client.udp(80).error is None
    flows = [flow for flow in netext.flows() if flow["protocol"] not in ("tcp", "udp")]
    assert sorted(flow["protocol"] for flow in flows) == ["icmp"] * len(PINGS) + ["other"] * len(OTHERS)
    for flow in flows:
        assert (flow["verdict"], flow["reason"], flow["state"]) == ("refuse", "default-action", "closed")
        assert (flow["owner"], flow["program"]) == ("program", os.path.realpath(PYTHON))
        assert "remote_port" not in flow or not flow["remote_port"]
    shown = netext.run_ctl("flow", "explain", flows[0]["flow"])
    assert shown.returncode == 0 and "icmp" in shown.stdout, shown
    netext.stop_session("firewall")
    firewall("allow protocol icmp", "deny protocol other program /bin/true", "deny to 198.18.0.0/15", "default deny")
    assert attempt() == set(PINGS)
    netext.stop_session("firewall")
    firewall(f"deny program {os.path.realpath(PYTHON)} protocol other", "default allow")
    assert attempt() == set(PINGS)


def test_who_would_be_asked_is_not(attempt, netext, scripted):
    """It has a packet to hold for no such socket: the session's fail policy decides, and says so."""
    scripted("* drop", fail_policy="open", name="open")
    assert attempt() == {*PINGS, *OTHERS} and netext.flows(protocol="icmp") == []
    scripted("* allow", fail_policy="closed", name="closed")
    assert attempt() == set()
    flows = netext.flows(verdict="refuse")
    assert {(flow["reason"], flow["decided_by"]) for flow in flows} == {("not-askable", "closed")}
    netext.restart_flowd()
    assert attempt() == set()
    netext.stop_session("closed")
    assert attempt() == {*PINGS, *OTHERS}
    scripted("* allow", fail_policy="last-rules", name="last")
    assert attempt() == set()
