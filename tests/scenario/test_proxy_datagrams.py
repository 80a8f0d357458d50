# SPDX-License-Identifier: Apache-2.0
"""Claimed datagram flows: each has its own end, its own answers, and leaves nothing behind."""
import json
import os
import pathlib
import signal
import time

import pytest

from harness.lab import Lab
from harness.namespace import wait_for_line
from harness.wait import wait_until

PROXY = "scripted-proxy"


def tuples(netext, name):
    """What the kernel has in a set of both families, as nft shows it."""
    table = netext.status()["table"]
    found = []
    for family in "46":
        listed = json.loads(netext.lab.client.run(["nft", "-j", "list", "set", "inet", table, f"{name}{family}"]).stdout)
        found += next(one["set"] for one in listed["nftables"] if "set" in one).get("elem", [])
    return found


def claimed(netext):
    """The tuples that the kernel turns to a proxy."""
    return tuples(netext, "claimed")


def test_what_a_filter_allowed_passes_beside_a_proxy_of_others(netext, scripted, proxy, client, server):
    """A datagram that waited and passed is not taken for one that is to be delivered."""
    scripted("80 allow")
    proxy("82 claim", "include 0.0.0.0/0 82", "include ::/0 82")
    for address in (Lab.SERVER, Lab.SERVER6):
        assert client.udp(80, address).error is None


def test_one_socket_talks_to_two_servers(netext, proxy, client, serve):
    proxy("* claim")
    serve(80), serve(81)
    heard = client.python("""
        ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ours.settimeout(5)
        for word in (b"one", b"two", b"three"):
            for port in (80, 81):
                ours.sendto(word + str(port).encode(), (address, port))
        answer = sorted((port, word.decode()) for word, (_, port) in (ours.recvfrom(100) for _ in range(6)))
    """, address=Lab.SERVER)
    assert heard == sorted([port, f"{word}{port}"] for word in ("one", "two", "three") for port in (80, 81))
    assert {flow["verdict"] for flow in netext.flows()} == {"claim"} and len(netext.flows()) == 2


@pytest.mark.parametrize("address", (Lab.SERVER, Lab.SERVER6))
@pytest.mark.parametrize("protocol", ("udp", "udp-connected"))
def test_a_flow_ends_with_the_programs_socket(netext, proxy, client, server, protocol, address):
    proxy("80 claim")
    process = client.start(protocol, address, 80, "-s")
    answer = client.answer(process)
    assert len(claimed(netext)) == 1
    process.stdin.close()
    wait_until(lambda: claimed(netext) == [], "the kernel still turns its datagrams")
    wait_until(lambda: netext.message(PROXY) == "closed 80: done, 0 out, 0 in", "the proxy was not told")
    assert netext.flow(local_port=answer.local_port)["state"] == "closed"


def test_a_proxys_answer_is_not_taken_for_a_flow_that_others_began(netext, proxy, client, server):
    proxy("80 claim")
    for address in (Lab.SERVER, Lab.SERVER6):
        process = client.start("udp-connected", address, 80, "-s")
        assert client.answer(process).error is None
        assert len(claimed(netext)) == 1 and tuples(netext, "served") == []
        process.stdin.close()
        wait_until(lambda: claimed(netext) == [], "the kernel still turns its datagrams")


def test_a_burst_of_segments_arrives_whole_and_in_order(netext, proxy, client, server):
    """As QUIC sends: one call, twenty datagrams (UDP_SEGMENT); also as the flow's first packet."""
    proxy("80 claim")
    same = client.python("""
        ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ours.settimeout(5)
        ours.connect((address, 80))
        ours.setsockopt(socket.IPPROTO_UDP, 103, 1200)  # UDP_SEGMENT
        answer = []
        for _ in range(3):
            burst = b"".join(bytes([number]) * 1200 for number in range(20))
            ours.send(burst)
            answer.append(b"".join(ours.recv(2000) for _ in range(20)) == burst)
    """, address=Lab.SERVER)
    assert same == [True] * 3
    assert netext.flow(remote_port=80)["verdict"] == "claim"


@pytest.mark.parametrize("address", (Lab.SERVER, Lab.SERVER6))
def test_the_largest_datagram(netext, proxy, client, server, address):
    proxy("80 claim")
    same = client.python("""
        ours = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        ours.settimeout(5)
        ours.connect((address, 80))
        answer = []
        for size in (65507, 0, 1, 1472, 65507):
            ours.send(b"x" * size)
            answer.append(len(ours.recv(70000)) == size)
    """, address=address)
    assert same == [True] * 5
    assert netext.flow(remote_port=80)["verdict"] == "claim"


# Says a word, and another when it is told to.
BEFORE = """
    ours = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    ours.settimeout(10)
    ours.connect((address, 80))
    ours.send(b"before")
    print(ours.recv(100).decode(), flush=True)
    sys.stdin.readline()
"""
# Until it is answered, or told an error: that, and how many words were lost.
STUBBORN = BEFORE + """
    ours.settimeout(2)
    heard, lost = None, 0
    while not heard and lost < 5:
        try:
            ours.send(b"after")
            heard = ours.recv(100).decode()
        except TimeoutError:
            lost += 1
        except OSError as error:
            heard = errno.errorcode[error.errno]
    answer = heard, lost
"""
TWICE = BEFORE + """
    for word in (b"meanwhile", b"and more"):
        ours.send(word)
    answer = [ours.recv(100).decode() for _ in range(2)]
"""


def resume(client, process):
    process.stdin.write("go\n")
    process.stdin.flush()
    return client.python_answer(process)


@pytest.mark.parametrize("policy, expected", (("open", "after"), ("closed", "ECONNREFUSED")))
def test_a_killed_proxy_loses_no_flow_for_ever(netext, proxy, client, server, policy, expected):
    """The next datagram is asked about: while nobody answers, the fail policy does."""
    proxy("80 claim", fail_policy=policy)
    process = client.start_python(STUBBORN, address=Lab.SERVER)
    wait_until(lambda: claimed(netext), "the flow was not claimed")
    netext.kill(netext.extension_pid(PROXY))
    wait_until(lambda: claimed(netext) == [], "the kernel still turns its datagrams")
    heard, lost = resume(client, process)
    assert heard in (expected, "after") and lost <= 1


@pytest.mark.parametrize("is_inspected", (False, True))
def test_a_proxy_that_closes_a_flow_is_asked_again(netext, inspecting, proxy, client, server, is_inspected):
    """The datagram that shows it is lost only behind a filter, which saw it as one of the flow that is over."""
    if is_inspected:
        inspecting("80 watch")
    proxy("80 once")
    process = client.start_python(STUBBORN, address=Lab.SERVER)
    wait_until(lambda: claimed(netext), "the flow was not claimed")
    assert resume(client, process) == ["after", 1 if is_inspected else 0]


@pytest.mark.parametrize("address", (Lab.SERVER, Lab.SERVER6))
@pytest.mark.parametrize("verdict, said", (("decline", "after"), ("refuse", "ECONNREFUSED")))
def test_a_proxy_that_closes_a_flow_may_not_want_it_again(netext, proxy, client, server, verdict, said, address):
    """An ICMP error of IPv4 cannot bear the destination's address, so there the next datagram is told."""
    proxy("80 once")
    process = client.start_python(STUBBORN, address=address)
    wait_until(lambda: claimed(netext), "the flow was not claimed")
    proxy.rewrite(f"80 {verdict}", "81 echo")
    wait_until(lambda: client.udp(81, address, "-t", "200").error is None, "the script was not read again")
    lost = 1 if (verdict, address) == ("refuse", Lab.SERVER) else 0
    assert resume(client, process) == [said, lost]
    assert [received for _, _, received in server.seen] == ([b"after"] if said == "after" else [])


def test_flows_outlive_flowd_and_not_their_proxy(netext, proxy, client, server):
    proxy("80 claim")
    process = client.start_python(STUBBORN, address=Lab.SERVER)
    wait_until(lambda: claimed(netext), "the flow was not claimed")
    netext.restart_flowd()
    netext.restart_extension(PROXY)
    assert resume(client, process) == ["after", 0]


@pytest.mark.parametrize("address", (Lab.SERVER, Lab.SERVER6))
@pytest.mark.parametrize("is_back", (False, True))
@pytest.mark.parametrize("is_claimed", (False, True))
def test_datagrams_of_inspected_flows_wait_for_the_next_flowd(netext, inspecting, proxy, client, server, serve,
                                                              is_claimed, is_back, address):
    """What carried them went with flowd, and who has their destination's port on this host does not get them."""
    bystander = serve(80, netext.lab.client)
    inspecting("80 watch")
    if is_claimed:
        proxy("80 claim")
    process = client.start_python(TWICE, address=address)
    wait_until(lambda: claimed(netext), "the flow is not on its way")
    pid = netext.kill_flowd()
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "flowd still has its sockets")
    if is_back:
        netext.wait_for_another_flowd(pid)
        netext.wait_for_session("inspecting", "running")
    assert resume(client, process) == ["meanwhile", "and more"]
    assert bystander.seen == []


def test_datagrams_of_inspected_flows_go_nowhere_without_any_daemon(netext, inspecting, client, server, serve):
    bystander = serve(80, netext.lab.client)
    inspecting("80 watch")
    process = client.start_python(STUBBORN, address=Lab.SERVER6)
    wait_until(lambda: claimed(netext), "the flow is not on its way")
    pid = netext.flowd_pid()
    netext.kill_netextd()
    netext.kill(pid)
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "flowd still has its sockets")
    assert resume(client, process) == ["ECONNREFUSED", 0]
    assert bystander.seen == []
    netext.restart_netextd()


@pytest.fixture
def claimed_before(netext, client, server):
    """Starts a program that stays, whose flow from port 5555 is claimed."""

    def start(protocol, address):
        process = client.start(protocol, address, 80, "-s", "-p", "5555")
        assert client.answer(process).error is None
        assert len(claimed(netext)) == 1
        return process

    return start


@pytest.mark.parametrize("protocol, address", (("udp-connected", Lab.SERVER), ("udp", Lab.SERVER6)))
def test_a_port_that_is_used_again_after_flowd_died_is_a_new_flow(netext, proxy, client, server, claimed_before,
                                                                  protocol, address):
    """The flow of the earlier program went on, and ended with its socket; nothing of it meets the next one."""
    proxy("80 claim")
    process = claimed_before(protocol, address)
    netext.restart_flowd()
    assert len(claimed(netext)) == 1
    process.stdin.close()
    wait_until(lambda: claimed(netext) == [], "the kernel still turns its datagrams")
    answer = client.talk(protocol, address, 80, "-p", "5555")
    assert answer.error is None
    flow = netext.flow(local_port=5555)
    assert (flow["pid"], flow["verdict"], flow["decided_by"]) == (answer.pid, "claim", PROXY)
    assert len({port for _, port, _ in server.seen}) == 2  # each had its own way to the server


def test_a_flow_that_ended_while_flowd_was_gone_is_forgotten(netext, proxy, client, claimed_before):
    proxy("80 claim")
    process = claimed_before("udp-connected", Lab.SERVER)
    netext.remember_processes()
    flowd = netext.flowd_pid()
    os.kill(netext.process.pid, signal.SIGSTOP)
    os.kill(flowd, signal.SIGKILL)
    process.stdin.close()
    process.wait(5)
    os.kill(netext.process.pid, signal.SIGCONT)
    netext.wait_for_another_flowd(flowd)
    netext.wait_for_session(PROXY, "running")
    wait_until(lambda: claimed(netext) == [], "the kernel still turns its datagrams")


def test_a_flow_that_outlives_flowd_ends_when_it_is_idle(netext, proxy, client, server):
    """As long as something passes it goes on."""
    proxy("80 claim", "idle 1")
    process = client.start_python("""
        import select
        ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ours.connect((address, 80))
        ours.send(b"one")
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], 0.2)[0]:
            ours.send(b"on")
        sys.stdin.readline()
        print("silent", flush=True)
        sys.stdin.readline()
        answer = None
    """, address=Lab.SERVER)
    client.wait_for_ready(process)
    wait_until(lambda: claimed(netext), "the flow was not claimed")
    netext.restart_flowd()
    time.sleep(2.5)  # it was looked for
    assert len(claimed(netext)) == 1
    process.stdin.write("enough\n")
    process.stdin.flush()
    wait_for_line(process, "silent", 5)
    wait_until(lambda: claimed(netext) == [], "the kernel still turns its datagrams")
    process.stdin.close()
    client.python_answer(process)


def test_flows_that_outlive_flowd_end_with_no_other_socket(netext, proxy, client, claimed_before):
    proxy("80 claim")
    process = claimed_before("udp-connected", Lab.SERVER)
    netext.restart_flowd()
    for protocol, address, port in (("tcp", Lab.SERVER, 5555), ("udp-connected", Lab.SERVER6, 5555),
                                    ("udp-connected", Lab.SERVER, 5556)):
        assert client.talk(protocol, address, 80, "-p", port).error is None
    wait_until(lambda: len(netext.flows(remote_port=80, state="closed")) == 3, "the others did not end")
    assert len(claimed(netext)) == 1
    process.stdin.close()
    wait_until(lambda: claimed(netext) == [], "the kernel still turns its datagrams")
