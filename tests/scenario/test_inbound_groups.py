# SPDX-License-Identifier: Apache-2.0
"""Datagrams that others send to a multicast group, or to all of a network: each socket that they reach is a flow."""
import json
import os
import signal
import socket
import struct
import subprocess

import pytest

from harness.client import PYTHON
from harness.lab import Lab
from harness.namespace import wait_for_line
from harness.paths import PROGRAMS
from harness.wait import wait_until

SCRIPTED = PROGRAMS / "scripted"
GROUP, GROUP6 = "239.1.2.3", "ff15::1234"
BROADCAST, EVERYBODY = "198.18.0.255", "255.255.255.255"
N_WORDS = 12
NOBODY = 65534

# One program whose sockets all have port 80; what each of them heard is told once its input ends.
MEMBERS = """
import json, select, socket, sys
group, group6, here, sender, sender6 = sys.argv[1:]
index = socket.if_nametoindex("veth0")
kinds = {"v4": ("", None), "v4-group": (group, None), "v4-connected": (group, (sender, 4000)),
         "mapped": ("::", None), "mapped-group": ("::ffff:" + group, None),
         "v6-group": (group6, None), "v6-connected": (group6, (sender6, 4000))}
members, heard = {}, {}
for name, (address, peer) in kinds.items():
    ours = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ours.family == socket.AF_INET6:
        ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, name.startswith("v6"))
    ours.bind((address, 80))
    if name.startswith("v6"):
        ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                        socket.inet_pton(socket.AF_INET6, group6) + index.to_bytes(4, "little"))
    else:
        ours.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(here))
    if peer:
        ours.connect(peer)
    members[ours], heard[name] = name, []
print("ready", flush=True)
while (ready := select.select([sys.stdin, *members], [], [])[0]) != [sys.stdin]:
    for ours in set(ready) - {sys.stdin}:
        heard[members[ours]].append(ours.recv(100).decode())
print(json.dumps(heard), flush=True)
"""


def join(port, group=GROUP):
    """What a listener does to be one of several members."""
    return (f"listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); listener.bind(('::', {port}));"
            f" listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('{group}')"
            f" + socket.inet_aton('{Lab.CLIENT}'))")


@pytest.fixture
def member(listener):
    """member(80) is one program of those that are called by a group's name; it answers nothing."""
    return lambda port, before="", **kwargs: listener(port, prepare=before + join(port), answer="pass", **kwargs)


@pytest.fixture
def sender(lab):
    """sender(4000) is a socket on the other host that can send to groups and to all."""

    def make(port=0, family=socket.AF_INET):
        index = int(lab.server.run(["ip", "-o", "link", "show", "veth0"]).stdout.split(":")[0])
        ours = lab.server.socket(family, socket.SOCK_DGRAM)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"veth0")
        if family == socket.AF_INET6:
            ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, struct.pack("i", index))
        if port:
            ours.bind(("", port))
        return ours

    return make


def hears_nothing(*members):
    """By now what was sent before has come to whom it was for."""
    for one in members:
        with pytest.raises(TimeoutError):
            wait_for_line(one.process, "heard", 0.3)


def test_every_member_gets_every_datagram_once_and_in_order(netext, scripted, sender, lab):
    """D13, inbound: families, members bound to the group or not, connected or not, senders bound or not."""
    scripted("inbound ask", "* pause 50 allow")
    lab.wait_for_groups()
    members = lab.client.start([PYTHON, "-I", "-c", MEMBERS, GROUP, GROUP6, Lab.CLIENT, Lab.SERVER, Lab.SERVER6],
                               stdin=subprocess.PIPE, ready="ready")
    reached = {GROUP: {"v4", "v4-group", "v4-connected", "mapped", "mapped-group"}, GROUP6: {"v6-group", "v6-connected", "mapped"},
               BROADCAST: {"v4", "mapped"}, EVERYBODY: {"v4", "mapped"}}
    bound = {family: sender(4000, family) for family in (socket.AF_INET, socket.AF_INET6)}
    expected, senders = {}, []
    for destination, names in reached.items():
        family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        for how, ours in (("bound", bound[family]), ("unbound", sender(0, family)), ("connected", sender(0, family))):
            senders.append(ours)  # nobody else shall get its port
            if how == "connected":
                ours.connect((destination, 80))
            for n in range(N_WORDS):
                words = f"{destination} {how} {n}".encode()
                ours.send(words) if how == "connected" else ours.sendto(words, (destination, 80))
            for name in names:
                if how == "bound" or not name.endswith("connected"):
                    expected.setdefault(name, set()).add(f"{destination} {how}")
    n_flows = sum(map(len, expected.values()))
    wait_until(lambda: len(netext.flows(state="open")) == n_flows,
               lambda: f"not {n_flows} flows: {[(f['local_address'], f['remote_port'], f['state']) for f in netext.flows()]}")
    heard, _ = members.communicate("end", timeout=10)
    for name, words in json.loads(heard.splitlines()[-1]).items():
        assert {word.rpartition(" ")[0] for word in words} == expected[name], name
        for kind in expected[name]:
            assert [word for word in words if word.startswith(kind + " ")] == [f"{kind} {n}" for n in range(N_WORDS)], name
    assert {(flow["direction"], flow["owner"], flow["pid"]) for flow in netext.flows()} == {("inbound", "program", members.pid)}
    wait_until(lambda: not netext.flows(state="open"), "the flows did not end with their sockets")


@pytest.mark.kernel
def test_each_member_has_its_own_verdict(netext, firewall, member, sender, client, call, lab):
    """Who comes later as well; rules that change are in force; what is ended ends for one; membership is left alone."""
    rules = firewall(f"deny direction inbound user {NOBODY}", "default allow")
    nobody = f"import os; os.setuid({NOBODY});"
    allowed, denied = member(5353), member(5353, nobody)
    outside = member(5353, nobody, cgroup=lab.cgroup.path.parent)
    with sender(5353) as ours:
        for n in range(3):
            ours.sendto(b"%d" % n, (GROUP, 5353))
            assert [one.heard() for one in (allowed, outside)] == [(1, (Lab.SERVER, 5353))] * 2
        later, denied_later = member(5353), member(5353, nobody)
        ours.sendto(b"hello", (GROUP, 5353))
        assert [one.heard()[0] for one in (allowed, later, outside)] == [5] * 3
        hears_nothing(denied, denied_later)
        flows = netext.flows(direction="inbound")
        assert {(flow["local_address"], flow["local_port"], flow["remote_address"], flow["remote_port"]) for flow in flows} == \
            {(GROUP, 5353, Lab.SERVER, 5353)}
        assert {(flow["pid"], flow["uid"], flow["verdict"], flow["state"]) for flow in flows} == {
            (allowed.pid, 0, "allow", "open"), (later.pid, 0, "allow", "open"),
            (denied.pid, NOBODY, "refuse", "closed"), (denied_later.pid, NOBODY, "refuse", "closed")}

        netext.ctl("flow", "kill", netext.flow(pid=later.pid)["flow"])
        ours.sendto(b"hello", (GROUP, 5353))
        assert allowed.heard()[0] == outside.heard()[0] == 5
        hears_nothing(later)

        rules.write_text("allow direction inbound\ndefault allow\n", encoding="utf-8")
        wait_until(lambda: ours.sendto(b"now", (GROUP, 5353)) and netext.flows(pid=denied.pid, verdict="allow"),
                   "the new rules are not in force")
        assert denied.heard()[0] == 3
        os.kill(allowed.pid, signal.SIGKILL)
        wait_until(lambda: netext.flow(pid=allowed.pid)["state"] == "closed", "the flow did not end")

    # The same host's own are flows of whoever sends them.
    assert client.python("""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(here))
            answer = ours.sendto(b"from here", (group, 5353))
    """, here=Lab.CLIENT, group=GROUP) == 9
    wait_until(lambda: denied.heard()[0] == 9, "it did not come")
    assert netext.flows(direction="inbound", remote_address=Lab.CLIENT) == []

    # Nor is anything asked about what finds neighbours and members.
    rules.write_text("deny direction inbound\n", encoding="utf-8")

    def is_refused():
        with sender() as ours:
            ours.sendto(b"?", (GROUP, 5353))
            return netext.flows(remote_port=ours.getsockname()[1], verdict="refuse")

    wait_until(is_refused, "the newest rules are not in force")
    lab.server.run(["ip", "neighbour", "del", Lab.CLIENT6, "dev", "veth0"])
    assert call(81, Lab.CLIENT6) == "ConnectionRefusedError"
    with lab.server.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP) as querier, \
            lab.server.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as listening:
        listening.settimeout(5)
        querier.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"veth0")
        querier.sendto(bytes((0x11, 1, 0xee, 0xfe)) + bytes(4), ("224.0.0.1", 0))  # who is a member of what?
        answer = socket.inet_aton(Lab.CLIENT) + socket.inet_aton(GROUP)
        while not (packet := listening.recv(1000))[9] == socket.IPPROTO_IGMP or packet[12:20] != answer:
            pass


def test_a_rule_can_mean_a_group(firewall, member, sender):
    firewall(f"allow direction inbound local {GROUP} local-port 5354", "deny direction inbound local 224.0.0.0/4")
    denied, allowed = member(5353), member(5354)
    with sender() as ours:
        for port in (5353, 5354):
            ours.sendto(b"hello", (GROUP, port))
        assert allowed.heard()[0] == 5
        hears_nothing(denied)


@pytest.mark.parametrize("policy", ["open", "closed"])
def test_the_fail_policy_stands_in_for_flowd(netext, scripted, member, sender, lab, policy):
    """Of a group that is asked about: what it had let in goes on, and programs outside get all."""
    scripted("inbound ask", "80 allow", fail_policy=policy)
    inside, outside = member(80), member(80, cgroup=lab.cgroup.path.parent)
    with sender() as known, sender() as new:
        known.sendto(b"one", (GROUP, 80))
        assert inside.heard()[0] == outside.heard()[0] == 3
        flowd = netext.flowd_pid()
        netext.kill_netextd()
        os.kill(flowd, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{flowd}"), "it did not end")
        known.sendto(b"known", (GROUP, 80))
        assert inside.heard()[0] == outside.heard()[0] == 5
        new.sendto(b"newcomer", (GROUP, 80))
        assert outside.heard()[0] == 8
        if policy == "open":
            assert inside.heard()[0] == 8
        else:
            hears_nothing(inside)
        netext.restart_netextd()
        netext.wait_for_session("scripted", "running")
        wait_until(lambda: new.sendto(b"again", (GROUP, 80)) and netext.flows(local_port=80, verdict="allow"), "nobody was asked")
        assert inside.heard()[0] == 5


def test_sockets_that_are_older_than_the_daemon_are_asked_about(instances, rules, member, sender, lab):
    """Unattributed; also where only the kernel knows that they are ours: from the second datagram on."""
    below = lab.cgroup.path / "below"
    below.mkdir()
    older, deeper = member(80), member(80, cgroup=below)
    netext = instances()
    netext.start_session(SCRIPTED, "--file", f"script={rules('inbound ask', '80 allow')}")
    with sender() as ours:
        ours.sendto(b"one", (GROUP, 80))
        assert older.heard()[0] == 3
        wait_until(lambda: ours.sendto(b"next", (GROUP, 80)) and len(netext.flows(state="open")) == 2, "not both were asked about")
        assert deeper.heard()[0] == 4
        assert {flow["owner"] for flow in netext.flows()} == {"unattributed"}


def test_a_kernel_that_does_not_list_the_sockets(instances, rules, member, sender):
    """Then such datagrams pass, as they do without a rule for inbound flows."""
    netext = instances(environment={"NETEXT_WITHOUT": "udp-diag"})
    netext.start_session(SCRIPTED, "--file", f"script={rules('inbound deny')}")
    one = member(80)
    with sender() as ours:
        ours.sendto(b"hello", (GROUP, 80))
        assert one.heard()[0] == 5
    assert netext.flows() == []


def test_a_filter_does_not_see_their_bytes(netext, inspecting, member, sender):
    inspecting("inbound ask", "80 watch", fail_policy="closed")
    one = member(80)
    with sender() as ours:
        ours.sendto(b"hello", (GROUP, 80))
        assert netext.flow(local_address=GROUP)["reason"] == "not-inspectable"
    hears_nothing(one)
