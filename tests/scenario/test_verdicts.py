# SPDX-License-Identifier: Apache-2.0
"""What a provider answers is what the program experiences, whatever the transport."""
import pytest

from harness.client import TRANSPORTS
from harness.paths import PROGRAMS
from harness.wait import wait_until

NUMBERS = {"tcp": "tcp", "udp": "udp", "udp-connected": "udp"}


def flow_of(netext, protocol, address, answer):
    flow = netext.flow(local_port=answer.local_port, protocol=NUMBERS[protocol])
    assert flow["remote_address"] == address.removeprefix("::ffff:")
    assert flow["direction"] == "outbound"
    assert (flow["decided_by"], flow["reason"]) == ("scripted", "provider")
    return flow


@pytest.mark.kernel
def test_an_allowed_flow_passes(netext, scripted, client, server):
    scripted("80 allow")
    for protocol, address in TRANSPORTS:
        answer = client.talk(protocol, address, 80)
        assert answer.error is None, (protocol, address, answer)
        assert flow_of(netext, protocol, address, answer)["verdict"] == "allow"


def test_a_dropped_flow_is_silent_and_never_reaches_the_server(netext, scripted, client, server):
    scripted("80 drop")
    for protocol, address in TRANSPORTS:
        answer = client.talk(protocol, address, 80, "-t", "200")
        assert answer.error == "ETIMEDOUT", (protocol, address, answer)
        assert flow_of(netext, protocol, address, answer)["verdict"] == "drop"
    assert server.seen == []


@pytest.mark.kernel
def test_a_refused_program_is_told_at_once(netext, scripted, client, server):
    scripted("80 refuse")
    for protocol, address in TRANSPORTS:
        answer = client.talk(protocol, address, 80, "-t", "1000")
        if protocol == "udp":  # an unconnected socket is told of no errors
            assert answer.error == "ETIMEDOUT", (address, answer)
        else:
            assert answer.error == "ECONNREFUSED", (protocol, address, answer)
            assert answer.ms < 500
        assert flow_of(netext, protocol, address, answer)["verdict"] == "refuse"
    assert server.seen == []


def test_an_allowed_flow_is_asked_about_once(netext, scripted, client, server):
    scripted("* allow")
    for protocol in NUMBERS:
        answer = client.talk(protocol, "198.18.0.2", 80, "-n", "5", "-i", "5")
        assert answer.answers == 5
        netext.flow(local_port=answer.local_port, protocol=NUMBERS[protocol])


def test_one_udp_socket_with_two_servers_has_two_flows(netext, scripted, client, lab):
    scripted("80 allow", "81 drop")
    program = """
import socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in (80, 81):
    udp.sendto(b"hello", ("198.18.0.2", port))
"""
    assert client.run("/usr/bin/python3", "-c", program).returncode == 0
    first, second = netext.flow(remote_port=80), netext.flow(remote_port=81)
    assert first["local_port"] == second["local_port"]
    assert (first["verdict"], second["verdict"]) == ("allow", "drop")


def test_without_a_session_everything_passes(netext, client, server):
    for protocol, address in TRANSPORTS:
        assert client.talk(protocol, address, 80).error is None


@pytest.mark.parametrize("suffix", ["/", "//", "/."])
def test_a_cgroup_by_another_spelling_is_the_same(instances, lab, client, server, rules, suffix):
    instance = instances("spelt", cgroup=f"{lab.cgroup.path}{suffix}")
    instance.start_session(PROGRAMS / "scripted", "--file", f"script={rules('80 refuse', name='spelt')}")
    assert client.tcp(80).error == "ECONNREFUSED"


@pytest.mark.kernel
def test_an_answer_that_is_to_be_remembered_is_asked_for_once(netext, scripted, client, server, serve):
    serve(82), serve(83)
    scripted("80 remember 600 allow", "81 remember 600 refuse", "82 remember 1 allow", "83 pause 50 allow")

    def reasons(port, protocol="tcp", n=3):
        answers = [client.talk(protocol, "198.18.0.2", port, "-t", "500") for _ in range(n)]
        return ([answer.error for answer in answers],
                [netext.flow(local_port=answer.local_port, protocol=protocol)["reason"] for answer in answers
                 if answer.error is None])

    assert reasons(80) == ([None] * 3, ["provider", "remembered", "remembered"])
    assert reasons(80, "udp") == ([None] * 3, ["provider", "remembered", "remembered"])
    assert reasons(81)[0] == ["ECONNREFUSED", "EPERM", "EPERM"]
    assert reasons(82)[1][0] == "provider"
    wait_until(lambda: reasons(82, n=1)[1] == ["provider"], "asked again after a second")
    assert reasons(83, n=2)[1] == ["provider"] * 2
    netext.restart_extension("scripted")
    assert reasons(80, n=1)[1] == ["remembered"]
    other = client.run("/bin/bash", "-c", "exec 3<>/dev/tcp/198.18.0.2/80")
    assert other.returncode == 0
    assert netext.flow(remote_port=80, comm="bash")["reason"] != "remembered"
