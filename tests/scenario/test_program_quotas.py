# SPDX-License-Identifier: Apache-2.0
"""One program has a part of what all share, here four places of sixteen: what it opens beyond is decided early, by the
fail policy, which is said and counted, and others are asked about as ever (B12)."""
import pytest

from harness.lab import Lab
from harness.wait import wait_until

PART = 4


@pytest.fixture
def netext(instances):
    return instances(environment={"NETEXT_WITHOUT": "room"})


# Connections that all begin at once; when they are told to end, what came of each.
FLOOD = """
    import collections
    crowd = [socket.socket() for _ in range(count)]
    for connection in crowd:
        connection.setblocking(False)
        connection.connect_ex((address, 80))
    print("ready", flush=True)
    sys.stdin.readline()
    for connection in crowd:
        select.select([], [connection], [], 10)
    errors = [connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for connection in crowd]
    answer = collections.Counter(errno.errorcode.get(error, "none") for error in errors)
    for connection in crowd:
        connection.close()
"""


def start_flood(netext, client, count):
    before = netext.status()["flows_over_quota"]
    flood = client.start_python(FLOOD, address=Lab.SERVER, count=count)
    client.wait_for_ready(flood)
    wait_until(lambda: netext.status()["flows_over_quota"] == before + count - PART,
               lambda: f"it has more or less than its part: {netext.status()}")
    assert netext.status()["flows_held"] == PART
    return flood


def end_flood(client, flood):
    flood.stdin.write("end\n")
    flood.stdin.flush()
    return client.python_answer(flood)


@pytest.mark.parametrize("policy", ("open", "closed"))
def test_a_program_that_floods_leaves_room_for_others(netext, scripted, client, serve, policy):
    servers = {port: serve(port) for port in (80, 81, 82)}
    script = "81 allow", "82 refuse"
    scripted("80 wait allow", *script, fail_policy=policy, verdict_timeout=60000)
    for n_rounds in (1, 2):  # the second has what the first gave back
        flood = start_flood(netext, client, 3 * PART)
        over = netext.flows(remote_port=80, reason="program-quota")
        assert len(over) == 2 * PART
        assert {flow["verdict"] for flow in over} == {"allow" if policy == "open" else "refuse"}
        for protocol in ("tcp", "udp"):
            for port, verdict in ((81, "allow"), (82, "refuse")):
                answer = client.talk(protocol, Lab.SERVER, port)
                assert (answer.error is None) == (verdict == "allow"), (protocol, port, answer)
                flow = netext.flow(local_port=answer.local_port)
                assert (flow["reason"], flow["verdict"]) == ("provider", verdict)
        scripted.rewrite("80 allow", *script)
        wait_until(lambda: netext.status()["flows_held"] == 0, "they still wait")
        refused = 2 * PART if policy == "closed" else 0
        expected = {"none": 3 * PART - refused} | ({"ECONNREFUSED": refused} if refused else {})
        assert end_flood(client, flood) == expected
        answer = client.tcp(80)
        assert answer.error is None and netext.flow(local_port=answer.local_port)["reason"] == "provider"
        status = netext.status()
        assert status["flows_over_quota"] == status["flows_by_fail_policy"] == 2 * PART * n_rounds, status
        scripted.rewrite("80 wait allow", *script)
    assert servers[82].seen == []
    said = [line for line in netext.messages().splitlines() if "as one program may have" in line]
    assert said and all("/python3" in line for line in said) and len(said) < 2 * PART, said


# Datagrams of one flow that waits.
DATAGRAMS = """
    talker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(count):
        talker.sendto(b"!", (address, 80))
    print("ready", flush=True)
    sys.stdin.readline()
    talker.settimeout(1)
    answer = 0
    try:
        while talker.recv(10):
            answer += 1
    except TimeoutError:
        pass
"""


def test_packets_of_one_flow_leave_room_for_others(netext, scripted, client, serve):
    serve(80), serve(81)
    scripted("80 wait allow", "81 allow", fail_policy="closed", verdict_timeout=60000)
    talker = client.start_python(DATAGRAMS, address=Lab.SERVER, count=3 * PART)
    client.wait_for_ready(talker)
    wait_until(lambda: netext.status()["packets_over_limit"] == 2 * PART,
               lambda: f"it has more or less than its part: {netext.status()}")
    assert netext.flows(remote_port=80)[0]["held_packets"] == PART
    assert client.udp(81).error is None
    scripted.rewrite("80 allow", "81 allow")
    wait_until(lambda: netext.status()["flows_held"] == 0, "they still wait")
    assert end_flood(client, talker) == PART
    scripted.rewrite("80 wait allow", "81 allow")
    flood = start_flood(netext, client, PART + 1)
    scripted.rewrite("80 allow", "81 allow")
    assert end_flood(client, flood) == {"none": PART, "ECONNREFUSED": 1}


# Flows that are all open until they are told to end: how many were answered, and what became of the others.
OPEN = """
    kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
    opened, answer = [], {}
    for _ in range(count):
        talker = socket.socket(socket.AF_INET, kind)
        talker.settimeout(10)
        try:
            talker.connect((address, 80))
            talker.send(b"!")
            end = "answered" if talker.recv(10) == b"!" else "closed"
        except OSError as error:
            end = errno.errorcode[error.errno]
        opened.append(talker)
        answer[end] = answer.get(end, 0) + 1
    print("ready", flush=True)
    sys.stdin.readline()
    for talker in opened:
        talker.close()
"""


def open_flows(client, count, datagrams=False):
    process = client.start_python(OPEN, address=Lab.SERVER, count=count, datagrams=datagrams)
    client.wait_for_ready(process)
    return process


def verdicts(netext, reason):
    return [flow["verdict"] for flow in netext.flows(remote_port=80, reason=reason)]


@pytest.mark.parametrize("policy, verdict", (("open", "allow"), ("closed", "refuse")))
@pytest.mark.parametrize("how", ("splice", "peek 1 splice"))
def test_carried_flows_of_one_program_leave_descriptors_for_others(netext, proxy, client, server, how, policy, verdict):
    proxy(f"80 {how}", fail_policy=policy, verdict_timeout=60000)
    for _ in range(2):
        over = netext.status()["flows_over_quota"]
        process = open_flows(client, 2 * PART)
        assert verdicts(netext, "program-quota")[-PART:] == [verdict] * PART
        assert netext.status()["flows_over_quota"] == over + PART
        answer = client.tcp(80)
        assert answer.error is None and netext.flow(local_port=answer.local_port)["verdict"] == "claim"
        expected = {"answered": 2 * PART} if policy == "open" else {"answered": PART, "ECONNREFUSED": PART}
        assert end_flood(client, process) == expected
        wait_until(lambda: not netext.flows(state="open"), lambda: f"they stay: {netext.flows(state='open')}")
    assert "flows that are carried" in netext.messages()


def test_inspected_flows_of_one_program_leave_descriptors_for_others(netext, inspecting, client, server):
    inspecting("80 watch", fail_policy="closed", verdict_timeout=60000)
    for datagrams in (False, True):
        process = open_flows(client, 2 * PART, datagrams)
        assert verdicts(netext, "program-quota")[-PART:] == ["refuse"] * PART
        answer = client.talk("udp" if datagrams else "tcp", Lab.SERVER, 80)
        assert answer.error is None and netext.flow(local_port=answer.local_port)["reason"] == "provider"
        answers = end_flood(client, process)
        assert answers.pop("answered") == PART and sum(answers.values()) == PART, answers
        wait_until(lambda: not netext.flows(state="open"), lambda: f"they stay: {netext.flows(state='open')}", 20)


def test_flows_that_the_extension_has_itself_are_in_nobodys_way(netext, proxy, client, server):
    proxy("80 claim", fail_policy="closed", verdict_timeout=60000)
    for datagrams in (False, True):
        process = open_flows(client, 2 * PART, datagrams)
        assert end_flood(client, process) == {"answered": 2 * PART}
        wait_until(lambda: not netext.flows(state="open"), lambda: f"they stay: {netext.flows(state='open')}")
    assert netext.status()["flows_over_quota"] == 0
