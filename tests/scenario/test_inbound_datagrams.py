# SPDX-License-Identifier: Apache-2.0
"""Datagrams that others send first: asked about where a filter says so by a rule, else left alone."""
import os
import signal
import socket
import time

import pytest

from harness.client import PYTHON
from harness.lab import Lab
from harness.paths import PROGRAMS
from harness.wait import wait_until

SCRIPTED = PROGRAMS / "scripted"
ADDRESSES = [(Lab.CLIENT, Lab.SERVER), (Lab.CLIENT6, Lab.SERVER6)]


@pytest.mark.parametrize("address,peer", ADDRESSES)
def test_a_call_names_the_program_that_waits_for_it(netext, scripted, listener, call, lab, address, peer):
    """Whether that began before the filter or after it; later datagrams are of the same flow."""
    servers = [listener(80)]
    scripted("inbound ask", "* allow")
    servers.append(listener(81))
    for port, server in zip((80, 81), servers):
        with call.connect(port, address) as caller:
            for words in (b"one", b"two", b"three"):
                caller.send(words)
                assert caller.recv(100) == words
                assert server.heard() == (len(words), (peer, call.local_port))
        flow = netext.flow(local_port=port)
        assert (flow["direction"], flow["protocol"], flow["owner"]) == ("inbound", "udp", "program")
        assert (flow["pid"], flow["uid"], flow["cgroup"]) == (server.pid, 0, lab.cgroup.name)
        assert flow["program"] == os.path.realpath(PYTHON) and flow["command_line"].startswith(PYTHON + " -I -c")
        assert (flow["local_address"], flow["remote_address"]) == (address, peer)
        assert (flow["remote_port"], flow["state"]) == (call.local_port, "open")
        assert (flow["verdict"], flow["decided_by"]) == ("allow", "scripted")
    assert len(netext.flows()) == 2  # and no answer was taken for a flow of the server's own


@pytest.mark.kernel
@pytest.mark.parametrize("address,peer", ADDRESSES)
def test_the_caller_experiences_what_the_filter_answers(netext, scripted, listener, call, address, peer):
    scripted("inbound ask", "80 refuse", "81 drop", "82 pause 300 allow")
    for port in (80, 81, 82):
        listener(port)
    assert call(80, address) == "ConnectionRefusedError"
    assert call(81, address, timeout=0.5) == "TimeoutError"
    started = time.monotonic()
    assert call(82, address) == b"hello" and time.monotonic() - started >= 0.3
    assert [netext.flow(local_port=port)["verdict"] for port in (80, 81, 82)] == ["refuse", "drop", "allow"]


def test_each_caller_is_a_flow(netext, scripted, listener, call):
    scripted("inbound ask", "80 allow")
    listener(80)
    for local_port in (4000, 4001, 4000):
        assert call(80, local_port=local_port) == b"hello"
    assert sorted(flow["remote_port"] for flow in netext.flows()) == [4000, 4001]


def test_what_waits_comes_in_its_order(netext, scripted, listener, call):
    scripted("inbound ask", "80 pause 300 allow")
    listener(80)
    with call.connect(80) as caller:
        for n in range(5):
            caller.send(b"%d" % n)
        assert [caller.recv(100) for _ in range(5)] == [b"%d" % n for n in range(5)]
    assert len(netext.flows()) == 1


@pytest.mark.parametrize("address,peer", ADDRESSES)
def test_fragments_are_of_one_datagram(netext, scripted, listener, call, address, peer):
    scripted("inbound ask", "80 allow", "81 refuse")
    listener(80)
    large = os.urandom(20000)
    for _ in range(2):
        assert call(80, address, words=large, local_port=4000) == large
    server = listener(81)
    assert call(81, address, words=large, timeout=0.5) in ("ConnectionRefusedError", "TimeoutError")
    assert [(flow["local_port"], flow["verdict"]) for flow in netext.flows()] == [(80, "allow"), (81, "refuse")]
    with pytest.raises(TimeoutError):
        server.heard()


def test_rules_decide_without_the_filter(netext, scripted, listener, call):
    scripted("inbound deny", "* allow")
    listener(80)
    assert call(80) == "ConnectionRefusedError"
    flow = netext.flow(local_port=80)
    assert (flow["verdict"], flow["reason"], flow["decided_by"]) == ("refuse", "rule", "scripted")


def test_a_server_may_answer_whom_rules_let_in(netext, firewall, listener, call, client):
    """But not begin a flow to anybody."""
    firewall("allow direction inbound protocol udp to 198.18.0.0/15", "default deny")
    listener(80)
    assert call(80) == b"hello"
    assert call(80, Lab.CLIENT6) == "ConnectionRefusedError"
    assert client.udp(80).error == "EPERM"
    assert netext.flow(local_port=80, remote_address=Lab.SERVER)["rule"].split(":")[1] == "1"


def test_a_server_may_answer_for_as_long_as_it_lives(netext, firewall, listener, call, client):
    firewall("allow direction inbound protocol udp", "default deny")
    server = listener(80)
    assert call(80, local_port=4000) == b"hello"
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: netext.flows(local_port=80, state="closed"), "the flow did not end")
    assert client.python("""
        answer = "sent"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as another:
            another.bind(("", 80))
            try:
                another.sendto(b"hello", (server, 4000))
            except PermissionError:
                answer = "denied"
    """, server=Lab.SERVER) == "denied"


def test_a_filter_that_says_nothing_of_inbound_flows_sees_none(netext, scripted, firewall, listener, call):
    listener(80)
    scripted("80 drop", "* allow")
    firewall("default allow")
    assert call(80) == b"hello"
    assert netext.flows(local_port=80) == []


def test_answers_are_no_flows(netext, scripted, client, server):
    scripted("inbound deny", "80 allow")
    assert client.udp(80).error is None
    assert [flow["direction"] for flow in netext.flows()] == ["outbound"]


def test_a_late_answer_is_no_flow(netext, scripted, lab, call):
    """The kernel has forgotten who asked; the daemon has not."""
    scripted("inbound deny", "80 allow")
    with lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.settimeout(3)
        server.bind((Lab.SERVER, 80))
        asker = lab.client.start([PYTHON, "-I", "-c", f"""
import socket
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.sendto(b"?", ("{Lab.SERVER}", 80))
print("heard", asker.recv(100).decode(), flush=True)
"""])
        peer = server.recvfrom(100)[1]
        lab.client.run(["nft", "flush", "set", "inet", f"netext-{netext.name}", "passed4"])
        server.sendto(b"late", peer)
        assert asker.stdout.readline() == "heard late\n"
    assert [flow["direction"] for flow in netext.flows()] == ["outbound"]


def test_programs_outside_are_left_alone(netext, scripted, listener, call, lab):
    scripted("inbound deny")
    listener(80, cgroup=lab.cgroup.path.parent)
    assert call(80) == b"hello"
    assert call(81) == "ConnectionRefusedError"  # nobody waits there
    assert netext.flows() == []


def test_a_caller_of_the_same_host_is_an_outbound_flow(netext, scripted, listener, client):
    scripted("inbound deny", "80 allow")
    listener(80)
    assert client.udp(80, Lab.CLIENT).error is None
    assert [flow["direction"] for flow in netext.flows()] == ["outbound"]


def test_what_came_before_goes_on(netext, scripted, listener, call):
    listener(80)
    with call.connect(80) as caller:
        caller.send(b"hello")
        assert caller.recv(100) == b"hello"
        scripted("inbound deny")
        caller.send(b"hello")
        assert caller.recv(100) == b"hello"


def test_a_frame_for_all_does_not_make_a_datagram_one(netext, scripted, listener, lab):
    """The frame's address is its sender's choice; what counts is the datagram's."""
    scripted("inbound deny", "* allow")
    server = listener(80)
    lab.server.run(["ip", "neighbour", "replace", Lab.CLIENT, "dev", "veth0", "lladdr", "ff:ff:ff:ff:ff:ff"])
    with lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.sendto(b"hello", (Lab.CLIENT, 80))
    assert netext.flow(local_port=80)["verdict"] == "refuse"
    with pytest.raises(TimeoutError):
        server.heard()


def test_a_server_that_the_kernel_gave_a_port_has_its_owner(netext, scripted, listener, call):
    scripted("inbound ask", "* allow")
    server = listener(0, prepare=f"listener.sendto(b'', ('::ffff:{Lab.SERVER}', 9))")
    assert call(server.port) == b"hello"
    assert netext.flow(direction="inbound")["pid"] == server.pid


def test_a_server_that_is_older_than_the_daemon_is_who_has_its_socket(instances, rules, listener, call):
    server = listener(80)
    netext = instances()
    netext.start_session(SCRIPTED, "--file", f"script={rules('inbound ask', '80 refuse')}")
    assert call(80) == "ConnectionRefusedError"
    flow = netext.flow(local_port=80)
    assert (flow["pid"], flow["owner_is_holder"]) == (server.pid, True)


def test_a_flow_ends_with_its_servers_socket(netext, scripted, listener, call):
    """Whoever has the port next is asked about anew."""
    scripted("inbound ask", "80 allow")
    for silent in (True, False):
        server = listener(80, answer="pass" if silent else "listener.sendto(words, peer)")
        assert call(80, local_port=4000, timeout=0.5) == ("TimeoutError" if silent else b"hello")
        assert len(netext.flows(local_port=80, state="open")) == 1
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not netext.flows(local_port=80, state="open"), "the flow did not end")
    assert len(netext.flows(local_port=80)) == 2


@pytest.mark.soak
def test_a_flow_ends_when_nothing_passes(netext, scripted, listener, call):
    """Two minutes after the last datagram, whoever sent that."""
    scripted("inbound ask", "80 allow")
    listener(80, answer="time.sleep(20); listener.sendto(words, peer)", prepare="listener.bind(('::', 80)); import time")
    with call.connect(80, timeout=30) as caller:
        caller.send(b"hello")
        caller.recv(100)
        answered = time.monotonic()
        wait_until(lambda: netext.flows(local_port=80, state="closed"), "the flow did not end", timeout=130)
        assert 118 < time.monotonic() - answered < 125
        assert netext.flow(local_port=80)["ended_by"] == "idle"
        caller.send(b"again")
        assert caller.recv(100) == b"again"
    assert [flow["state"] for flow in netext.flows(local_port=80)].count("open") == 1


@pytest.mark.parametrize("policy,outcome", [("open", b"hello"), ("closed", "ConnectionRefusedError")])
def test_the_fail_policy_stands_in_for_a_filter_that_is_gone(netext, scripted, listener, call, policy, outcome):
    scripted("inbound ask", "80 crash", fail_policy=policy)
    listener(80)
    assert call(80) == outcome
    assert netext.flow(local_port=80)["reason"] in ("provider-gone", "provider-absent")


@pytest.mark.parametrize("policy,outcome", [("open", b"hello"), ("closed", "ConnectionRefusedError")])
def test_the_fail_policy_stands_in_for_flowd(netext, scripted, listener, call, policy, outcome):
    """What it had let in goes on meanwhile."""
    scripted("inbound ask", "80 allow", fail_policy=policy)
    listener(80)
    with call.connect(80) as caller:
        caller.send(b"hello")
        assert caller.recv(100) == b"hello"
        flowd = netext.flowd_pid()
        netext.kill_netextd()  # else it holds what comes until there is another flowd
        os.kill(flowd, signal.SIGKILL)
        wait_until(lambda: call(80, timeout=1) == outcome, "the fail policy did not stand in")
        caller.send(b"hello")
        assert caller.recv(100) == b"hello"
    netext.restart_netextd()
    netext.wait_for_session("scripted", "running")
    assert call(80) == b"hello"


def test_a_restarted_flowd_asks_about_what_waits(netext, scripted, listener, call):
    scripted("inbound ask", "80 pause 700 allow", fail_policy="closed")
    listener(80)
    with call.connect(80, timeout=20) as caller:
        caller.send(b"hello")
        wait_until(lambda: netext.flows(local_port=80, state="held"), "the flow was not held")
        netext.kill(netext.flowd_pid())
        assert caller.recv(100) == b"hello"


def wait_for_words(netext, words, name="inspecting"):
    """Filters have ten seconds for what the program said before it closed its socket."""
    netext.wait_for_message(name, words, timeout=15)


@pytest.mark.parametrize("address,peer", ADDRESSES)
def test_a_filter_sees_the_datagrams_of_both_and_they_each_other(netext, inspecting, listener, call, address, peer):
    inspecting("inbound ask", "80 watch")
    server = listener(80)
    with call.connect(80, address) as caller:
        for words in (b"one", b"", b"three"):
            caller.send(words)
            assert caller.recv(100) == words
            assert server.heard() == (len(words), (peer, call.local_port))
    flow = netext.flow(local_port=80)
    assert (flow["direction"], flow["verdict"], flow["decided_by"]) == ("inbound", "allow", "inspecting")
    assert (flow["pid"], flow["remote_port"]) == (server.pid, call.local_port)
    os.kill(server.pid, signal.SIGKILL)
    wait_for_words(netext, f"seen 8 out, 8 in, sum {2 * sum(b'onethree')}")
    assert len(netext.flows()) == 1


def test_a_filter_after_the_other_and_the_second_refuses(netext, inspecting, listener, call):
    inspecting("inbound ask", "80 watch", name="first", order=1)
    inspecting("inbound ask", "80 refuse secret", name="second", order=2)
    server = listener(80)
    with call.connect(80, timeout=0.5) as caller:
        caller.send(b"hello")
        assert caller.recv(100) == b"hello" and server.heard()[0] == 5
        caller.send(b"secret")
        with pytest.raises(TimeoutError):
            caller.recv(100)
        wait_until(lambda: netext.flows(local_port=80, state="closed"), "the flow did not end")
        caller.send(b"hello")  # another one
        assert caller.recv(100) == b"hello"
    assert server.heard()[0] == 5  # and never the secret
    wait_for_words(netext, f"seen 5 out, 11 in, sum {2 * sum(b'hello') + sum(b'secret')}", "first")


def test_what_is_held_waits_and_comes_in_its_order(netext, inspecting, listener, call):
    inspecting("inbound ask", "80 late 500")
    listener(80)
    with call.connect(80) as caller:
        started = time.monotonic()
        for n in range(8):
            caller.send(b"%d" % n)
        assert [caller.recv(100) for _ in range(8)] == [b"%d" % n for n in range(8)]
        assert time.monotonic() - started >= 0.5


def test_after_the_last_look_the_kernel_lets_them_pass(netext, inspecting, listener, call):
    """Whatever becomes of flowd; the filter hears of the end."""
    inspecting("inbound ask", "80 first 5", fail_policy="closed")
    server = listener(80)
    with call.connect(80) as caller:
        for _ in range(3):
            caller.send(b"hello")
            assert caller.recv(100) == b"hello"
        with netext.paused_flowd():
            for _ in range(10):
                caller.send(b"hello")
                assert caller.recv(100) == b"hello"
    assert [flow["state"] for flow in netext.flows()] == ["open"]
    os.kill(server.pid, signal.SIGKILL)
    wait_for_words(netext, "seen 0 out, 5 in")


@pytest.mark.parametrize("address", (Lab.CLIENT, Lab.CLIENT6))
def test_large_datagrams_and_bursts_arrive_unchanged(netext, inspecting, listener, call, address):
    """What the network cuts into fragments, and what a server says by one call (UDP_SEGMENT)."""
    inspecting("inbound ask", "* watch")
    listener(80)
    assert call(80, address) == b"hello"
    large = os.urandom(20000)
    assert call(80, address, words=large) == large
    listener(81, prepare="listener.bind(('::', 81)); listener.setsockopt(socket.IPPROTO_UDP, 103, 1000)")
    with call.connect(81, address) as caller:
        caller.send(large)
        assert b"".join(caller.recv(2000) for _ in range(20)) == large


def test_a_server_may_be_bound_to_an_interface(netext, inspecting, listener, call):
    inspecting("inbound ask", "80 watch", fail_policy="closed")
    listener(80, prepare="listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'veth0');"
                         "listener.bind(('::', 80))")
    assert call(80) == b"hello"
    assert netext.flow(local_port=80)["decided_by"] == "inspecting"


@pytest.mark.parametrize("policy,outcome", [("open", b"hello"), ("closed", "TimeoutError")])
def test_a_filter_dies_over_datagrams(netext, inspecting, listener, call, policy, outcome):
    inspecting("inbound ask", "80 crash", fail_policy=policy)
    listener(80)
    assert call(80, timeout=1) == outcome


def test_flowd_dies_over_datagrams(netext, inspecting, listener, call):
    """The next one shows them as another flow's."""
    inspecting("inbound ask", "80 watch")
    server = listener(80)
    with call.connect(80) as caller:
        caller.send(b"hello")
        assert caller.recv(5) == b"hello"
        netext.kill(netext.flowd_pid())
        netext.wait_for_session("inspecting", "running")
        caller.settimeout(0.5)

        def is_answered():
            try:
                caller.send(b"again")
                return caller.recv(5) == b"again"
            except OSError:
                return False

        wait_until(is_answered, "nothing came through any more")
        assert len(netext.flows(local_port=80, state="open")) == 1
    os.kill(server.pid, signal.SIGKILL)
    wait_for_words(netext, "seen 5 out, 5 in")


def test_inspected_datagrams_survive_the_session(netext, inspecting, listener, call):
    inspecting("inbound ask", "80 watch")
    listener(80)
    with call.connect(80) as caller:
        caller.send(b"hello")
        assert caller.recv(100) == b"hello"
        netext.stop_session("inspecting")
        for _ in range(3):
            caller.send(b"hello")
            assert caller.recv(100) == b"hello"


@pytest.mark.alone  # the kernel's queues for what comes in are the machine's, and others fill them
def test_many_callers_at_once(netext, inspecting, listener, call):
    inspecting("inbound ask", "80 watch")
    listener(80)
    with call.connect(80) as first:  # it has flowd add the first routing rule: see docs/design/2026-11-25-inbound.md
        first.send(b"hello")
        assert first.recv(100) == b"hello"
    callers = [call.connect(80) for _ in range(200)]
    for _ in range(3):
        for n, caller in enumerate(callers):
            caller.send(b"%d" % n)
        assert [caller.recv(100) for caller in callers] == [b"%d" % n for n in range(200)]
    for caller in callers:
        caller.close()
    assert len(netext.flows(local_port=80, state="open")) == 201


def test_callers_of_the_same_link_are_asked_about(netext, scripted, listener, lab):
    scripted("inbound deny", "* allow")
    listener(80)
    for namespace, address in ((lab.client, "fe80::1"), (lab.server, "fe80::2")):
        namespace.run(["ip", "address", "add", f"{address}/64", "dev", "veth0", "nodad"])
    with lab.server.socket(socket.AF_INET6, socket.SOCK_DGRAM) as caller:
        caller.settimeout(3)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"veth0")
        index = int(lab.server.run(["ip", "-o", "link", "show", "veth0"]).stdout.split(":")[0])
        caller.sendto(b"hello", ("fe80::1", 80, 0, index))
        assert netext.flow(local_port=80)["verdict"] == "refuse"
    lab.client.run(["ip", "address", "delete", "fe80::1/64", "dev", "veth0"])
