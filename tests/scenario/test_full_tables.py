# SPDX-License-Identifier: Apache-2.0
"""Tables that are full, here of sixteen: rules decide all the same, a fail policy decides what nobody can be asked
about, it is counted, and over as soon as there is room (D01)."""
import shutil

import pytest

from harness.client import PYTHON
from harness.lab import Lab
from harness.wait import wait_until

ROOM = 16
N_PROGRAMS = 4  # that fill a table: each has a part of it


@pytest.fixture
def netext(instances):
    return instances(environment={"NETEXT_WITHOUT": "room"})


# Flows that wait for an answer, until they are told to go; how many got one.
WAITING = """
    waiting = []
    for _ in range(count):
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex((address, 80))
    print("ready", flush=True)
    sys.stdin.readline()
    for connection in waiting:
        connection.setblocking(True)
        connection.settimeout(10)
        connection.sendall(b"!")
    answer = sum(connection.recv(1) == b"!" for connection in waiting)
"""


@pytest.mark.parametrize("policy", ("open", "closed"))
def test_a_full_table_of_flows(netext, scripted, client, serve, tmp_path, policy):
    servers = {port: serve(port) for port in (80, 81, 82, 83)}
    script = "80 wait allow", "rule 81 allow", "rule 82 deny", f"83 {'refuse' if policy == 'open' else 'allow'}"
    scripted(*script, fail_policy=policy)
    programs = [shutil.copy(PYTHON, tmp_path / f"python{number}") for number in range(N_PROGRAMS)]
    waiting = [client.start_python(WAITING, python=program, address=Lab.SERVER, count=ROOM // N_PROGRAMS)
               for program in programs]
    for process in waiting:
        client.wait_for_ready(process)
    wait_until(lambda: netext.status()["flows_held"] == ROOM, lambda: f"they do not wait: {netext.status()}")
    assert client.udp(81).error is None
    assert client.talk("udp-connected", Lab.SERVER, 82).error == "ECONNREFUSED" and not servers[82].seen
    assert netext.status()["flows_by_fail_policy"] == 0
    answer = client.tcp(83)
    assert answer.error == (None if policy == "open" else "ECONNREFUSED") and not netext.flows(remote_port=83)
    status = netext.status()
    assert status["flows_by_fail_policy"] == 1 and status["flows_not_recorded"] >= 3, status
    scripted.rewrite("80 allow", *script[1:])
    wait_until(lambda: netext.status()["flows_held"] == 0, "they still wait")
    for process in waiting:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sum(client.python_answer(process) for process in waiting) == ROOM
    answer = client.tcp(83)
    assert answer.error == ("ECONNREFUSED" if policy == "open" else None)
    assert netext.flow(local_port=answer.local_port)["reason"] == "provider"


# Sockets that talk to the server in turns, and again later.
TALKERS = """
    talkers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    answer = 0
    for pause in (0, 1.1):
        time.sleep(pause)
        for talker in talkers:
            talker.settimeout(5)
            talker.sendto(b"!", (address, 80))
            answer += talker.recv(10) == b"!"
"""


# Connections to many ports, where nobody is; how many were told so by the other end.
MANY = """
    answer = 0
    for port in range(count):
        with socket.socket() as talker:
            answer += talker.connect_ex((address, 1000 + port)) == errno.ECONNREFUSED
"""


def test_full_sets_and_maps(netext, scripted, client, serve):
    """What the kernel has no room to remember is asked about again, and an owner that it forgot is none."""
    serve(80), serve(81)
    scripted("80 allow", "81 allow", "* remember 60 allow", fail_policy="closed")
    assert client.python(TALKERS, address=Lab.SERVER, count=ROOM // 2) == ROOM
    assert netext.status()["datagrams_asked_again"] == 0
    others = ", ".join(f"198.18.0.9 . 198.18.0.9 . 9 . {port}" for port in range(ROOM))
    for name in ("passed4", "served4"):  # where an answer makes a flow look as if others had begun it
        netext.lab.client.nft(f"add element inet netext-{netext.name} {name} {{ {others} }}")
    assert client.python(TALKERS, address=Lab.SERVER, count=ROOM // 2) == ROOM
    assert netext.status()["datagrams_asked_again"] == ROOM // 2
    for _ in range(2):
        assert client.python(MANY, address=Lab.SERVER, count=4 * ROOM) == 4 * ROOM
    assert {flow["verdict"] for flow in netext.flows()} == {"allow"}
    for _ in range(ROOM + 4):
        answer = client.tcp(81)
        assert answer.error is None
    assert netext.flow(local_port=answer.local_port)["pid"] == answer.pid
    assert netext.status()["flows_by_fail_policy"] == 0


@pytest.mark.parametrize("policy", ("open", "closed"))
def test_no_memory_for_a_sockets_owner(netext, scripted, client, serve, lab, policy):
    """What the kernel may note on a socket counts as its options, and those are limited."""
    servers = {port: serve(port) for port in (80, 81, 82)}
    answer = "refuse" if policy == "open" else "allow"
    scripted(f"80 {answer}", "rule 81 allow", "rule 82 deny", fail_policy=policy)
    lab.client.sysctl(net__core__optmem_max=0)
    assert client.tcp(81).error is None
    for protocol in ("tcp", "udp-connected"):
        assert client.talk(protocol, Lab.SERVER, 82).error == "EPERM"
    answer = client.tcp(80)
    flow = netext.flow(remote_port=80)
    if policy == "open":  # it is asked about, without a program
        assert (answer.error, flow["owner"], flow["reason"]) == ("ECONNREFUSED", "unattributed", "provider")
    else:
        assert (answer.error, flow["pid"], flow["reason"]) == ("EPERM", answer.pid, "not-askable")
    status = netext.status()
    assert status["flows_by_fail_policy"] == (policy == "closed") and status["owners_lost"] >= 2, status
    assert not servers[80].seen and not servers[82].seen
    lab.client.sysctl(net__core__optmem_max=131072)
    answer = client.tcp(80)
    flow = netext.flow(local_port=answer.local_port)
    assert (flow["pid"], flow["reason"]) == (answer.pid, "provider")
