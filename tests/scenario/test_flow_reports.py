# SPDX-License-Identifier: Apache-2.0
"""A filter that asks for reports hears what became of a flow, and how many bytes it had: to the byte, as its other end
counted them."""
import struct

import pytest

from harness.lab import Lab
from harness.wait import wait_until

ADDRESSES = (Lab.SERVER, Lab.SERVER6, "::ffff:" + Lab.SERVER)
# How a program says `size` bytes, hears `answer`, and is done: who closes first, and what was said before.
WAYS = """
def talk(peer, how, size, answer):
    peer.sendall(struct.pack("!II4s", size, answer, how.encode()) + b"x" * size)
    if how == "half":
        peer.shutdown(socket.SHUT_WR)
    n = 0
    while n < answer:
        n += len(peer.recv(65536))
    if how == "last":
        assert peer.recv(1) == b""
    if how == "half":
        assert peer.recv(1) == b""

for address in addresses:
    for how, size, answer in ways:
        peer = socket.create_connection((address, 80))
        talk(peer, how, size, answer)
        if how != "exit":
            peer.close()
answer = None
print(json.dumps([answer]), flush=True)
os._exit(0)
"""
TALKS = [("shut", 0, 0), ("shut", 1, 1), ("half", 100000, 1234567), ("last", 54321, 9), ("half", 0, 0),
         ("exit", 1000000, 0), ("exit", 17, 300000)]


def serve(connection):
    """Hears what it was told to expect, says what it was told to, and goes first where it was told so."""
    port, header = connection.getpeername()[1], connection.recv(12, 0x100)  # MSG_WAITALL
    size, answer, how = struct.unpack("!II4s", header)
    heard = len(header)
    while heard < size + len(header):
        heard += len(connection.recv(65536))
    connection.sendall(b"y" * answer)
    if how == b"last":
        connection.shutdown(1)
    while received := connection.recv(65536):
        heard += len(received)
    return port, heard, answer


def reports(netext, session="scripted"):
    """What the filter was told: {flow: [("new-flow", "allow", None), ("flow-closed", "allow", (12, 0))]}."""
    told = {}
    for line in netext.messages().splitlines():
        if f" {session} report " in line:
            flow, event, action, *counts = line.rpartition(" report ")[2].split()
            known = tuple(map(int, counts)) if counts[0] != "unknown" else None
            told.setdefault(int(flow), []).append((event, action, known))
    return told


def closed(netext, n, session="scripted"):
    """The last reports, once there are n: {flow: (outbound, inbound)}."""

    def last():
        return {flow: of[-1][2] for flow, of in reports(netext, session).items() if of[-1][0] == "flow-closed"}

    wait_until(lambda: len(last()) >= n, lambda: f"{len(last())} of {n} flows are reported closed: {reports(netext)}")
    return last()


def test_counts_are_those_of_the_other_end(netext, scripted, client, peer):
    scripted("* allow", "report none")
    server = peer(80, serve)
    client.python(WAYS, addresses=ADDRESSES, ways=TALKS)
    counts = closed(netext, len(ADDRESSES) * len(TALKS))
    ports = {flow["local_port"]: flow for flow in netext.flows(remote_port=80)}
    wait_until(lambda: len(server.results) == len(counts), "the server still hears something")
    for port, heard, said in server.results:
        assert counts[ports[port]["flow"]] == (heard, said), ports[port]
        assert (ports[port]["bytes_outbound"], ports[port]["bytes_inbound"]) == (heard, said)
    assert f"{heard} out, {said} in" in netext.run_ctl("flow", "explain", ports[port]["flow"]).stdout
    assert all([event for event, _, _ in of] == ["new-flow", "flow-closed"] for of in reports(netext).values())


DATAGRAMS = """
ports = {}
for address in addresses:
    for connected in (True, False):
        peer = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        peer.settimeout(3)
        said = 0
        for size in (0, 1, 1400, 3, 20000):
            if connected and not said:
                peer.connect((address, 80))
            peer.send(b"x" * size) if connected else peer.sendto(b"x" * size, (address, 80))
            said += size
            assert len(peer.recv(65536)) == size
        peer.send(b"and no answer") if connected else peer.sendto(b"and no answer", (address, 80))
        if not connected:  # one socket, two flows
            peer.sendto(b"other", (address, 81))
answer = None
print(json.dumps([answer]), flush=True)
os._exit(0)
"""


@pytest.mark.kernel
def test_datagrams_are_counted_while_somebody_wants_to_know(netext, scripted, client, serve):
    """Each flow by itself, also of a program that is gone before its first datagram has left."""
    servers = {port: serve(port) for port in (80, 81)}
    scripted("* allow", "report none")
    client.python(DATAGRAMS, addresses=ADDRESSES)
    client.run("/usr/bin/python3", "-c", f"""
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"gone", ("{Lab.SERVER}", 81))
""")
    counts = closed(netext, 10)
    for flow in netext.flows(protocol="udp"):
        heard = sum(len(words) for _, port, words in servers[flow["remote_port"]].seen if port == flow["local_port"])
        outbound, inbound = counts[flow["flow"]]
        assert outbound == heard > 0, flow
        assert inbound in (heard, heard - len("and no answer"), 0, 5), flow


def test_statistics_come_while_a_flow_is_open(netext, scripted, client, peer):
    """Every half a second, of a connection and of datagrams; a filter that wants none gets none."""
    sizes = []

    def echo(connection):
        while received := connection.recv(65536):
            sizes.append(len(received))
            connection.sendall(received)

    peer(80, echo)
    scripted("* allow", "report high")
    scripted("* allow", "report medium", name="slow")
    scripted("* allow", "report none", name="none")
    process = client.start_python("""
    peer = socket.create_connection((address, 80))
    print("ready", flush=True)
    for i in range(25):
        peer.send(b"x" * 1000)
        peer.recv(1000)
        time.sleep(0.1)
    peer.close()
    answer = None
    """, address=Lab.SERVER)
    client.python_answer(process)
    (flow, (outbound, inbound)), = closed(netext, 1).items()
    assert outbound == inbound == sum(sizes) == 25000

    def statistics(session):
        return [counts for event, _, counts in reports(netext, session)[flow] if event == "statistics"]

    assert 3 <= len(statistics("scripted")) <= 5 and 1 <= len(statistics("slow")) <= 3
    assert statistics("none") == []
    assert statistics("scripted") == sorted(statistics("scripted"))
    assert 0 < statistics("scripted")[0][0] < outbound
    for session in ("scripted", "slow", "none"):
        assert closed(netext, 1, session)[flow] == (25000, 25000)


def test_reports_of_flows_that_do_not_simply_pass(netext, scripted, inspecting, proxy, client, peer):
    """Relayed, taken by an extension, looked at, refused by another filter: each has a last report."""
    server = peer(80, serve)
    peer(81, serve)
    peer(82, serve)
    scripted("* allow", "83 drop", "report none")
    scripted("* allow", "84 refuse", name="other", order=1)
    inspecting("82 watch")
    proxy("80 splice", "81 claim", "* decline")
    for port in (80, 81, 82):
        client.python(WAYS.replace("(address, 80)", f"(address, {port})"), addresses=ADDRESSES[:2], ways=TALKS)
    for port in (83, 84):
        client.tcp(port, Lab.SERVER, "-t", "300")
    counts = closed(netext, 3 * 2 * len(TALKS) + 2)
    told = reports(netext)
    for flow in netext.flows():
        if flow["flow"] not in told:
            continue  # a proxy's own
        events = told[flow["flow"]]
        if flow["remote_port"] in (83, 84):
            assert events == [("new-flow", "drop", None), ("flow-closed", "drop", None)], flow
        else:
            assert [event for event, _, _ in events] == ["new-flow", "flow-closed"], (flow, events)
    for port, heard, said in server.results[:1]:
        assert (heard, said) in counts.values(), port
    sizes = sorted((size + 12, answer) for _, size, answer in TALKS)
    for port in (80, 81, 82):
        for address in ADDRESSES[:2]:
            own = sorted(counts[flow["flow"]] for flow in netext.flows(remote_port=port, remote_address=address)
                         if flow["flow"] in counts)
            assert own == sizes, (port, address, own)


def test_counts_that_nobody_knows_are_not_guessed(netext, scripted, client, peer):
    """A connection that is reset has forgotten what was said last; one that is ended is counted to that moment."""

    def cut(connection):
        connection.recv(100)
        connection.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: a reset

    peer(80, cut)
    peer(81, serve)
    scripted("* allow", "report none")
    client.python("""
    peer = socket.create_connection((address, 80))
    peer.send(b"x" * 100)
    try:
        peer.recv(100)
        answer = None
    except ConnectionResetError:
        answer = "reset"
    """, address=Lab.SERVER)
    assert list(closed(netext, 1).values()) == [None]
    process = client.start_python("""
    peer = socket.create_connection((address, 81))
    peer.sendall(struct.pack("!II4s", 1000, 7, b"shut") + b"x" * 1000)
    assert len(peer.recv(7, socket.MSG_WAITALL)) == 7
    print("ready", flush=True)
    try:
        peer.recv(1)
        answer = None
    except OSError as error:
        answer = errno.errorcode[error.errno]
    """, address=Lab.SERVER)
    client.wait_for_ready(process)
    netext.run_ctl("flow", "kill", "--remote", ":81")
    assert client.python_answer(process) == "ECONNABORTED"
    flow = netext.flow(remote_port=81)
    assert closed(netext, 2)[flow["flow"]] == (1012, 7)
    assert reports(netext)[flow["flow"]][-1][1] == "drop"


@pytest.mark.parametrize("address", (Lab.CLIENT, Lab.CLIENT6))
def test_counts_of_flows_that_others_began(netext, scripted, service, visit, listener, call, address):
    service(80)
    listener(81)
    scripted("inbound ask", "* allow", "report none")
    assert visit(80, address, b"x" * 90) == b"x" * 90
    assert visit(80, address, b"bye") == b"bye"
    with call.connect(81, address) as caller:
        for size in (0, 10, 1000):
            caller.send(b"x" * size)
            assert len(caller.recv(2000)) == size
        flow = netext.flow(protocol="udp")
        assert netext.run_ctl("flow", "kill", flow["flow"]).returncode == 0
    counts = closed(netext, 3)
    assert counts.pop(flow["flow"]) == (1010, 1010)
    assert sorted(counts.values()) == [(3, 3), (90, 90)]
