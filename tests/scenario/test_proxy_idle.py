# SPDX-License-Identifier: Apache-2.0
"""A claimed flow of datagrams is over when nothing passes any more, as long as its proxy says (B11)."""
import json
import select
import signal
import socket
import textwrap
import time

import pytest

from harness.lab import Lab
from harness.namespace import wait_for_line
from harness.wait import wait_until

PROXY = "scripted-proxy"
BOTH_FAMILIES = pytest.mark.parametrize("family, address", ((socket.AF_INET, Lab.SERVER),
                                                            (socket.AF_INET6, Lab.SERVER6)))


def connected(code):
    """A program whose socket `ours` is connected to port 80 of `address`."""
    return textwrap.dedent("""
        ours = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        ours.settimeout(5)
        ours.connect((address, 80))
        def hear():
            return ours.recv(100).decode()
    """) + textwrap.dedent(code)


ASKS_TWICE = connected("""
    ours.send(b"one")
    print("ready", hear(), flush=True)
    sys.stdin.readline()
    ours.send(b"two")
    answer = hear()
""")


def go_on(client, process):
    process.stdin.write("go\n")
    process.stdin.flush()
    return client.python_answer(process)


@pytest.mark.parametrize("is_inspected", (False, True))
@pytest.mark.parametrize("address", (Lab.SERVER, Lab.SERVER6))
def test_an_idle_flow_ends_and_the_next_datagram_begins_another(netext, inspecting, proxy, client, server, address,
                                                                is_inspected):
    if is_inspected:
        inspecting("80 watch")
    proxy("80 claim", "idle 1")
    process = client.start_python(ASKS_TWICE, address=address)
    client.wait_for_ready(process)
    first = wait_until(lambda: netext.flows(remote_port=80, state="closed"), "the flow did not end")[0]
    assert (first["ended_by"], first["verdict"], first["decided_by"]) == ("idle", "claim", PROXY)
    assert 1 <= (first["closed_ns"] - first["decided_ns"]) / 1e9 < 2.5
    wait_until(lambda: netext.message(PROXY).startswith("closed 80: Connection timed out"),
               lambda: netext.session(PROXY))
    assert go_on(client, process) == "two"
    assert len({flow["flow"] for flow in netext.flows(remote_port=80)}) == 2


@BOTH_FAMILIES
def test_what_the_program_says_keeps_its_flow(netext, proxy, client, lab, family, address):
    """Nobody answers, and the flow lasts as long as somebody asks."""
    proxy("80 claim", "idle 1")
    with lab.server.socket(family, socket.SOCK_DGRAM) as mute:
        mute.bind((address, 80))
        client.python(connected("""
            for _ in range(10):
                ours.send(b"hello")
                time.sleep(0.3)
            answer = None
        """), address=address)
    flow, = netext.flows(remote_port=80)
    assert "ended_by" not in flow


@BOTH_FAMILIES
def test_what_the_program_hears_keeps_its_flow(netext, proxy, client, lab, family, address):
    """It asked once, and the server goes on and on."""
    proxy("80 claim", "idle 1")
    with lab.server.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, 80))
        server.settimeout(5)
        process = client.start_python(connected("""
            ours.send(b"subscribe")
            answer = [hear() for _ in range(10)]
        """), address=address)
        _, program = server.recvfrom(100)
        for number in range(10):
            server.sendto(str(number).encode(), program)
            time.sleep(0.3)
    assert client.python_answer(process) == [str(number) for number in range(10)]
    flow, = netext.flows(remote_port=80)
    assert "ended_by" not in flow


def test_an_answer_does_not_bring_back_a_flow_that_is_over(netext, proxy, client, lab):
    """The extension still has its socket; the kernel does not turn the program's datagrams to it any more."""
    proxy("80 claim", "idle 1")
    with lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((Lab.SERVER, 80))
        server.settimeout(5)
        process = client.start_python(connected("""
            ours.send(b"one")
            late = hear()
            ours.send(b"two")
            answer = late, hear()
        """), address=Lab.SERVER)
        _, first = server.recvfrom(100)
        wait_until(lambda: netext.flows(remote_port=80, ended_by="idle"), "the flow did not end")
        server.sendto(b"late", first)
        word, second = server.recvfrom(100)
        assert word == b"two" and second != first
        server.sendto(b"answer", second)
    assert client.python_answer(process) == ["late", "answer"]


def test_flows_that_were_kept_end_in_their_turn(netext, proxy, client, server):
    """Each by itself, as it falls silent."""
    proxy("80 claim", "idle 1")
    falls_silent = client.python("""
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
        ends = []
        for number in range(20):
            for ours in sockets[number:]:
                ours.sendto(b"hello", (address, 80))
            ends.append((sockets[number].getsockname()[1], time.time()))
            time.sleep(0.1)
        time.sleep(3)
        answer = ends
    """, address=Lab.SERVER)
    for port, said in falls_silent:
        flow = netext.flow(remote_port=80, local_port=port)
        assert flow["ended_by"] == "idle", flow
        assert 0.99 <= flow["closed_ns"] / 1e9 - said < 2.5, (flow, said)


def test_who_watches_sees_it_end(netext, proxy, client, server, lab):
    proxy("80 claim", "idle 1")
    watch = lab.client.start(netext.ctl_command("flow", "watch", "--json"), cgroup=lab.cgroup.path.parent)
    wait_until(lambda: client.tcp(80) and select.select([watch.stdout], [], [], 0)[0], "nothing was shown")
    process = client.start_python(ASKS_TWICE, address=Lab.SERVER)
    client.wait_for_ready(process)
    event = {}
    while (event.get("protocol"), event.get("event")) != ("udp", "closed"):
        event = json.loads(wait_for_line(watch, "{", 5))
    assert (event["remote_port"], event["ended_by"]) == (80, "idle")
    explained = netext.run_ctl("flow", "explain", event["flow"]).stdout
    assert "no datagram passed for as long as its proxy waits" in " ".join(explained.split())
    watch.send_signal(signal.SIGINT)
    assert watch.wait(5) == 0


def test_a_proxy_may_wait_for_ever(netext, proxy, client, server):
    """0 is no time at all, and not no time to wait; the default is minutes."""
    proxy("80 claim", "idle 0", name="patient", order=1)
    process = client.start_python(ASKS_TWICE, address=Lab.SERVER)
    client.wait_for_ready(process)
    time.sleep(1.5)
    assert go_on(client, process) == "two"
    flow, = netext.flows(remote_port=80)
    assert "ended_by" not in flow


def test_a_flow_ends_with_its_proxy_and_the_record_says_so(netext, proxy, client, server):
    proxy("80 claim")
    process = client.start_python(ASKS_TWICE, address=Lab.SERVER)
    client.wait_for_ready(process)
    netext.kill(netext.extension_pid(PROXY))
    flow = wait_until(lambda: netext.flows(remote_port=80, state="closed"), "the flow did not end")[0]
    assert flow["ended_by"] == "extension"
