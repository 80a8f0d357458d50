# SPDX-License-Identifier: Apache-2.0
"""Connections that others begin: asked about where a filter says so by a rule, else left alone."""
import os
import signal
import socket
import time

import pytest

from harness.client import PYTHON
from harness.instance import started_at
from harness.lab import Lab
from harness.paths import PROGRAMS
from harness.wait import wait_until

SCRIPTED = PROGRAMS / "scripted"
TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
ADDRESSES = [(Lab.CLIENT, Lab.SERVER), (Lab.CLIENT6, Lab.SERVER6)]


@pytest.mark.parametrize("address,peer", ADDRESSES)
def test_an_inbound_flow_names_the_program_that_listens(netext, scripted, service, visit, lab, address, peer):
    """Whether that began before the filter or after it."""
    servers = [service(80)]
    scripted("inbound ask", "* allow")
    servers.append(service(81))
    for port, server in zip((80, 81), servers):
        assert visit(port, address) == b"hello"
        flow = netext.flow(local_port=port)
        assert (flow["direction"], flow["owner"], flow["pid"]) == ("inbound", "program", server.pid)
        assert flow["process_started_ns"] // TICK_NS == started_at(server.pid)
        assert flow["program"] == os.path.realpath(PYTHON) and flow["command_line"].startswith(PYTHON + " -I -c")
        assert (flow["uid"], flow["cgroup"]) == (0, lab.cgroup.name)
        assert (flow["local_address"], flow["remote_address"]) == (address, peer)
        assert flow["remote_port"] == visit.local_port
        assert (flow["verdict"], flow["decided_by"]) == ("allow", "scripted")
        shown = netext.run_ctl("flow", "explain", flow["flow"]).stdout
        host, other = (f"[{end}]" if ":" in end else end for end in (address, peer))
        assert f": inbound tcp from {other}:{visit.local_port}, " in shown
        assert f"to        {host}:{port}\n" in shown


@pytest.mark.kernel
@pytest.mark.parametrize("address,peer", ADDRESSES)
def test_the_visitor_experiences_what_the_filter_answers(netext, scripted, service, visit, address, peer):
    scripted("inbound ask", "80 refuse", "81 drop", "82 pause 300 allow")
    for port in (80, 81, 82):
        service(port)
    assert visit(80, address) == "ConnectionRefusedError"
    assert visit(81, address, timeout=0.5) == "TimeoutError"
    started = time.monotonic()
    assert visit(82, address) == b"hello" and time.monotonic() - started >= 0.3
    assert [netext.flow(local_port=port)["verdict"] for port in (80, 81, 82)] == ["refuse", "drop", "allow"]


def test_rules_decide_without_the_filter(netext, scripted, service, visit):
    scripted("inbound deny", "* allow")
    service(80)
    assert visit(80) == "ConnectionRefusedError"
    flow = netext.flow(local_port=80)
    assert (flow["verdict"], flow["reason"], flow["decided_by"]) == ("refuse", "rule", "scripted")


def test_the_firewall_has_rules_for_inbound_flows(netext, firewall, service, visit, client, server):
    firewall("allow direction inbound user 0 to 198.18.0.2", "deny direction inbound to fd00::/8")
    service(80)
    assert visit(80) == b"hello"
    assert visit(80, Lab.CLIENT6) == "ConnectionRefusedError"
    assert [netext.flow(local_port=80, remote_address=address)["rule"].split(":")[1]
            for address in (Lab.SERVER, Lab.SERVER6)] == ["1", "2"]
    assert client.tcp(80, Lab.SERVER6).error is None


def test_a_filter_that_says_nothing_of_inbound_flows_sees_none(netext, scripted, firewall, service, visit, client, lab):
    """Not even the chains for them are there."""
    service(80)
    scripted("* drop")
    firewall("default deny")
    assert visit(80) == b"hello"
    assert netext.flows(local_port=80) == []
    assert "hold_in" not in lab.client.run(["nft", "list", "ruleset"]).stdout


def test_outbound_flows_are_not_taken_for_inbound(netext, scripted, client, server):
    scripted("inbound deny", "80 allow")
    assert client.tcp(80).error is None
    assert netext.flow(remote_port=80)["direction"] == "outbound"


def test_programs_outside_are_left_alone(netext, scripted, service, visit, lab):
    scripted("inbound deny")
    service(80, cgroup=lab.cgroup.path.parent)
    assert visit(80) == b"hello"
    assert visit(81) == "ConnectionRefusedError"  # nobody listens
    assert netext.flows(direction="inbound") == []


def test_a_visitor_of_the_same_host_is_an_outbound_flow(netext, scripted, service, client):
    scripted("inbound deny", "80 allow")
    service(80)
    assert client.tcp(80, Lab.CLIENT).error is None
    assert netext.flows(direction="inbound") == []


def test_what_came_before_goes_on(netext, scripted, service, lab):
    service(80)
    with lab.server.socket(socket.AF_INET, socket.SOCK_STREAM) as visitor:
        visitor.settimeout(3)
        visitor.connect((Lab.CLIENT, 80))
        scripted("inbound deny")
        visitor.sendall(b"hello")
        assert visitor.recv(100) == b"hello"


def test_a_server_that_is_older_is_unattributed_where_the_kernel_does_not_tell(instances, rules, service, visit, lab):
    service(80)
    netext = instances(environment={"NETEXT_WITHOUT": "open-sockets"})
    netext.start_session(SCRIPTED, "--file", f"script={rules('inbound ask', '80 refuse')}")
    assert visit(80) == "ConnectionRefusedError"
    assert netext.flow(local_port=80)["owner"] == "unattributed"


def test_the_end_of_an_inbound_flow_is_told(netext, scripted, service, visit, lab):
    scripted("inbound ask", "80 allow")
    service(80)
    with lab.server.socket(socket.AF_INET, socket.SOCK_STREAM) as visitor:
        visitor.connect((Lab.CLIENT, 80))
        assert netext.flow(local_port=80)["state"] == "open"
    wait_until(lambda: netext.flows(local_port=80, state="closed"), "the flow did not end")


def test_each_connection_is_asked_about_also_from_the_same_port(netext, scripted, service, visit):
    """The server's end of the earlier one is still there, and hides who listens (TIME_WAIT)."""
    scripted("inbound ask", "80 allow")
    server = service(80)
    for n in (1, 2, 3):
        assert visit(80, local_port=4000, words=b"bye") == b"bye"  # who says that is left first
        wait_until(lambda: len(netext.flows(local_port=80, remote_port=4000, state="closed")) == n,
                   lambda: f"not asked once more: {netext.flows()}")
    assert {flow["pid"] for flow in netext.flows(local_port=80)} == {server.pid}


def test_a_repeated_first_segment_is_the_same_flow(netext, scripted, service, visit):
    scripted("inbound ask", "80 pause 1500 allow")  # the kernel repeats it after a second
    service(80)
    assert visit(80, timeout=5) == b"hello"
    assert len(netext.flows(local_port=80)) == 1


@pytest.mark.parametrize("policy,outcome", [("open", b"hello"), ("closed", "ConnectionRefusedError")])
def test_the_fail_policy_stands_in_for_a_filter_that_is_gone(netext, scripted, service, visit, policy, outcome):
    scripted("inbound ask", "80 crash", fail_policy=policy)
    service(80)
    assert visit(80) == outcome
    assert netext.flow(local_port=80)["reason"] in ("provider-gone", "provider-absent")


@pytest.mark.parametrize("policy,outcome", [("open", b"hello"), ("closed", "ConnectionRefusedError")])
def test_the_fail_policy_stands_in_for_flowd(netext, scripted, service, visit, policy, outcome):
    scripted("inbound ask", "80 allow", fail_policy=policy)
    service(80)
    assert visit(80) == b"hello"
    flowd = netext.flowd_pid()
    netext.kill_netextd()  # else it holds what comes until there is another flowd
    os.kill(flowd, signal.SIGKILL)
    wait_until(lambda: visit(80, timeout=1) == outcome, "the fail policy did not stand in")
    netext.restart_netextd()
    netext.wait_for_session("scripted", "running")
    assert visit(80) == b"hello"


def test_a_restarted_flowd_asks_about_what_waits(netext, scripted, service, visit, lab):
    scripted("inbound ask", "80 wait allow", fail_policy="closed")
    service(80)
    with lab.server.socket(socket.AF_INET, socket.SOCK_STREAM) as visitor:
        visitor.setblocking(False)
        visitor.connect_ex((Lab.CLIENT, 80))
        wait_until(lambda: netext.flows(local_port=80, state="held"), "the flow was not held")
        netext.restart_flowd()
        wait_until(lambda: netext.flows(local_port=80, state="held"), "the flow was not asked about again")
        scripted.rewrite("inbound ask", "80 allow")
        visitor.settimeout(5)
        visitor.sendall(b"hello")
        assert visitor.recv(100) == b"hello"
