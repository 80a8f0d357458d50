# SPDX-License-Identifier: Apache-2.0
"""Rules that mean this host's end of what others begin: the port and the address that they come to."""
import pytest

from harness.lab import Lab
from harness.wait import wait_until

REFUSED = "ConnectionRefusedError"
OTHER, OTHER6 = "198.18.0.77", "fd00:198:18::77"
FAMILIES = [(Lab.CLIENT, OTHER), (Lab.CLIENT6, OTHER6)]


@pytest.fixture
def addresses(lab):
    """The client has two of each family."""
    lab.client.run(["ip", "address", "add", f"{OTHER}/24", "dev", "veth0"])
    lab.client.run(["ip", "address", "add", f"{OTHER6}/64", "dev", "veth0", "nodad",
                    "preferred_lft", "0"])
    for address in (OTHER, OTHER6):
        lab.server.run(["ip", "neighbour", "replace", address, "dev", "veth0", "lladdr", Lab.CLIENT_LINK])


@pytest.mark.kernel
def test_one_of_two_ports_is_closed_for_everybody(netext, firewall, service, visit, listener, call):
    path = firewall("deny direction inbound local-port 81", "deny direction inbound port 4000", "loopback include")
    for port in (80, 81):
        service(port)
        listener(port)
    for address, _ in FAMILIES:
        for talk in (visit, call):
            assert [talk(port, address) for port in (80, 81)] == [b"hello", REFUSED]
            assert talk(81, address, local_port=81) == REFUSED
            assert talk(80, address, local_port=81) == b"hello"  # it is not the visitor's that counts
            assert talk(80, address, local_port=4000) == REFUSED  # nor the other way round
    assert {flow["rule"] for flow in netext.flows(local_port=81)} == {f"{path.name}:1"}
    assert len(netext.flows(local_port=81, verdict="refuse")) == 8


@pytest.mark.parametrize("address,other", FAMILIES)
def test_one_of_two_addresses_is_closed_for_everybody(addresses, netext, firewall, service, visit, listener, call,
                                                      address, other):
    firewall(f"deny direction inbound local {address} local-port 81", f"deny direction inbound local {other}",
             "deny direction inbound local 198.19.0.0/16 local-port 80", "default allow")
    service(80)
    listener(80)
    for talk in (visit, call):
        assert [talk(80, one) for one in (address, other)] == [b"hello", REFUSED]
    assert {flow["local_address"] for flow in netext.flows(verdict="refuse")} == {other}


def test_open_flows_meet_rules_that_have_changed(netext, firewall, service, visit, client, server):
    """But not what programs begin themselves."""
    path = firewall("allow direction inbound local-port 80-81", "deny direction inbound")
    for port in (80, 82):
        service(port)
    assert [visit(port) for port in (80, 82)] == [b"hello", REFUSED]
    with visit.connect(80):
        port = visit.local_port
        path.write_text("allow direction inbound local-port 82\ndeny direction inbound\n", encoding="utf-8")
        wait_until(lambda: visit(80) == REFUSED, "the new rules are not in force")
        netext.rejudge()
        assert [flow["remote_port"] for flow in netext.flows(ended_by="judged-again")] == [port]
    assert visit(82) == b"hello"
    assert client.tcp(80).error is None
