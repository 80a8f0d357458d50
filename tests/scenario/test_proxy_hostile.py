# SPDX-License-Identifier: Apache-2.0
"""A proxy that means ill harms its own flows: the daemon, the other flows and the other proxies go on."""
import pathlib
import time

import pytest

from harness.instance import CommandFailed
from harness.lab import Lab
from harness.paths import PROGRAMS
from harness.wait import wait_until

STRANGE = ("pipe", "null", "unix", "datagram", "listener", "unconnected")

BULK = """
    connection = socket.create_connection((address, 80), 10)
    connection.settimeout(3)
    sent = heard = 0
    deadline = time.monotonic() + 3
    try:
        while time.monotonic() < deadline:
            connection.sendall(b"x" * 65536)
            sent += 65536
            while heard < sent:
                received = connection.recv(1 << 20)
                if not received:
                    deadline = 0
                    break
                heard += len(received)
    except OSError:
        pass
    answer = heard
"""


@pytest.fixture
def hostile(netext):
    """hostile("blocker") starts the hostile proxy with that in mind, before the others."""
    def start(mode, *options):
        netext.start_session(PROGRAMS / "hostile-proxy", "--name", mode, "--order", "-1", *options)
    return start


@pytest.fixture
def honest(netext, proxy, serve):
    """A good proxy behind it, for port 81."""
    proxy("81 splice", "80 decline", name="honest")
    return serve(81)


def check_others(netext, client, count=5):
    for _ in range(count):
        answer = client.tcp(81, Lab.SERVER, "-n", "3", "-i", "1", "-t", "2000")
        assert (answer.error, answer.answers) == (None, 3) and answer.ms < 1500
    assert netext.flows(remote_port=81)[-1]["decided_by"] == "honest"


def test_who_claims_twice_has_claimed_once(netext, hostile, honest, client, server):
    hostile("twice")
    answer = client.tcp(80)
    assert answer.error is None
    assert netext.flow(local_port=answer.local_port)["verdict"] == "claim"
    check_others(netext, client)


@pytest.mark.parametrize("mode", STRANGE)
def test_a_strange_descriptor(netext, hostile, honest, client, server, mode):
    """What can be no upstream breaks the protocol; what never was connected fails as one."""
    hostile(mode)
    flowd = netext.flowd_pid()
    for _ in range(2):
        answer = client.tcp(80, Lab.SERVER, "-t", "3000")
        assert answer.error == ("ECONNREFUSED" if mode == "unconnected" else None) and answer.ms < 1000
    check_others(netext, client)
    assert netext.flowd_pid() == flowd


def test_who_asks_for_more_time_than_there_is_breaks_the_protocol(netext, hostile, honest, client):
    with pytest.raises(CommandFailed, match="broke the protocol"):
        hostile("patient")
    check_others(netext, client)


def test_flows_of_others_are_not_for_the_taking(netext, hostile, proxy, client, server, lab):
    proxy("79 hold", "81 splice", name="honest")
    held = client.start("tcp", Lab.SERVER, 79, "-t", "8000")
    wait_until(lambda: netext.flows(remote_port=79, decided_by="honest"), "the flow was not claimed")
    hostile("thief")
    client.tcp(80)
    wait_until(lambda: "broke the protocol" in netext.messages(), "nothing was said about it")
    assert [flow["state"] for flow in netext.flows(remote_port=79)] == ["held"]
    netext.stop_session("honest")
    assert client.answer(held).error == "ECONNREFUSED"  # nobody listens on port 79


@pytest.mark.parametrize("mode", ("blocker", "trickler", "reader", "same", "loop"))
def test_who_shares_a_relayed_socket_stops_no_other_flow(netext, hostile, honest, client, server, mode):
    hostile(mode)
    programs = [client.start_python(BULK, address=Lab.SERVER) for _ in range(4)]
    wait_until(lambda: len(netext.flows(remote_port=80, verdict="claim")) == 4, lambda: netext.flows())
    check_others(netext, client, 10)
    for program in programs:
        client.python_answer(program)
    netext.stop_session(mode)
    check_others(netext, client)


def test_a_socket_that_nobody_can_close_is_closed(netext, hostile, honest, client, peer):
    """close() of a socket with SO_LINGER waits for its peer, who does not read."""
    quiet = []
    peer(80, lambda connection: quiet.append(connection) or time.sleep(5))
    hostile("linger")
    answer = client.start("tcp", Lab.SERVER, 80, "-t", "1000")
    wait_until(lambda: netext.flows(remote_port=80), "the flow was not asked about")
    check_others(netext, client)
    client.answer(answer)
    check_others(netext, client)


def test_a_proxy_that_reads_nothing_collects_no_descriptors(netext, hostile, honest, client, server):
    hostile("deaf")
    fds = pathlib.Path(f"/proc/{netext.flowd_pid()}/fd")
    program = client.start_python("""
        connections = []
        for _ in range(600):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex((address, 80))
            connections.append(connection)
            time.sleep(0.002)
        answer = len(connections)
        print("ready", flush=True)
        sys.stdin.readline()
    """, address=Lab.SERVER)
    before = len(list(fds.iterdir()))
    client.wait_for_ready(program)
    most = max(len(list(fds.iterdir())) for _ in range(20))
    claimed = len(netext.flows(remote_port=80, verdict="claim"))
    print(f"{claimed} flows were claimed blindly; flowd's descriptors: {before}, then {most}")
    assert claimed > 100
    assert most - before < 120
    check_others(netext, client)


LEAVING = """
    table inet leaving {
        chain out {
            type filter hook postrouting priority 300
            oifname veth0 udp dport 7 counter
        }
    }
"""


def test_a_flows_socket_speaks_to_its_program_only(netext, inspecting, proxy, client, server, lab):
    """It may speak from the destination's address; elsewhere it would pass every filter, and as somebody else."""
    inspecting("81 watch")
    proxy("say yes", f"* stray {Lab.SERVER} 7")
    lab.client.nft(LEAVING)
    for n, port in enumerate((80, 81), start=1):
        client.udp(port, Lab.SERVER, "-t", "300")
        wait_until(lambda n=n: netext.messages().count("strayed") == n, "the proxy did nothing")
    listed = lab.client.run(["nft", "list", "table", "inet", "leaving"]).stdout
    lab.client.nft("delete table inet leaving")
    assert "counter packets 0 " in listed
