# SPDX-License-Identifier: Apache-2.0
"""What the kernel itself sends and gets, here for a VXLAN tunnel, is nobody's flow, whatever the rules say (R-28).

Each connection through the tunnel has a flow of datagrams of its own: from a port of
the kernel's choosing, at which it has no socket.
"""
import os
import signal
import socket

import pytest

from harness.client import TALK
from harness.paths import CGROUP2
from harness.tunnel import Tunnel
from harness.wait import wait_until

EVERYBODY = "198.18.0.255"


@pytest.fixture(params=["a-cgroup", pytest.param("the-machine", marks=pytest.mark.xdist_group("root-cgroup"))])
def netext(request, tunnel, instances):
    return instances(cgroup=str(CGROUP2)) if request.param == "the-machine" else instances()


@pytest.mark.kernel
def test_a_tunnel_goes_on_behind_everybodys_back(netext, firewall, scripted, client, serve, service, lab):
    serve(80), serve(81)
    service(82)
    firewall("default deny", "allow to 198.19.0.0/24", "allow direction inbound protocol tcp", fail_policy="closed")
    scripted("80 allow", "81 allow", fail_policy="closed")
    for port in (80, 81):
        for protocol in ("tcp", "udp", "udp-connected"):
            assert client.talk(protocol, Tunnel.SERVER, port).error is None, (protocol, port)
    visitor = lab.server.run([TALK, "tcp", "198.19.0.1", 82], check=False)
    assert visitor.returncode == 0, visitor.stdout
    with lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as outsider:
        outsider.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        outsider.sendto(bytes(8), (EVERYBODY, Tunnel.PORT))
    wait_until(lambda: netext.flows(local_address=EVERYBODY, verdict="allow"), "nobody got it")
    carrying = netext.flows(remote_port=Tunnel.PORT) + netext.flows(local_port=Tunnel.PORT)
    assert {(flow["owner"], flow["reason"]) for flow in carrying} == {("kernel", "kernel-owner")}
    assert netext.status()["flows_unattributed"] == 0


def test_nobody_has_to_live_for_what_rules_allow(netext, firewall, client, serve):
    """The connection's own mark speaks for what carries it."""
    serve(80)
    firewall("default deny", "allow to 198.19.0.0/24 protocol tcp", fail_policy="closed")
    flowd = netext.flowd_pid()
    netext.kill_netextd()
    os.kill(flowd, signal.SIGKILL)
    assert client.tcp(80, Tunnel.SERVER).error is None
    netext.restart_netextd()


def test_a_program_is_not_the_kernel_for_sending_where_a_tunnel_leads(netext, firewall, client, lab):
    firewall("default deny")
    for protocol in ("udp", "udp-connected"):
        assert client.talk(protocol, lab.SERVER, Tunnel.PORT).error is not None
