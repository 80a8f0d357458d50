# SPDX-License-Identifier: Apache-2.0
"""However a program opens a connection, it is seen, is the program's, and is decided."""
import json
import os

import pytest

from harness.client import PYTHON
from harness.lab import Lab
from harness.paths import PROGRAMS
from harness.wait import wait_until

RING = PROGRAMS / "ring"
ELSEWHERE = "198.18.0.3"  # the server's other address, which it tells those who come by MPTCP

# Sends back what it hears, by MPTCP or with TCP Fast Open.
SERVER = """
import socket, sys, threading
protocol = int(sys.argv[2])
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if protocol != socket.IPPROTO_MPTCP:  # which cannot before Linux 6.2
    listener.setsockopt(socket.IPPROTO_TCP, 23, 10)  # TCP_FASTOPEN
listener.bind(("0.0.0.0", int(sys.argv[1])))
listener.listen(10)
print("ready", flush=True)

def serve(connection):
    with connection:
        while words := connection.recv(1000):
            connection.sendall(words)

while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
"""
TCP, MPTCP = 0, 262


def serve_streams(namespace, port, protocol):
    return namespace.start([PYTHON, "-I", "-c", SERVER, port, protocol], ready="ready")


def seen(netext, **wanted):
    return [(flow["remote_address"], flow["verdict"], flow["owner"], flow.get("pid"))
            for flow in netext.flows(protocol="tcp", **wanted)]


CONVERSE = """
answer = {}
for port in ports:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 5, 0))
        if mark:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        try:
            if how == "fast":
                ours.sendto(b"hello", socket.MSG_FASTOPEN, (server, port))
            elif how == "fast-connect":
                ours.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
                ours.connect((server, port))
                ours.send(b"hello")
            else:
                ours.connect((server, port))
                ours.send(b"hello")
            answer[port] = ours.recv(100).decode()
            time.sleep(wait_s)
        except OSError as error:
            answer[port] = errno.errorcode[error.errno]
answer = os.getpid(), answer
"""


def converse(client, *ports, how="connect", protocol=TCP, wait_s=0, mark=0):
    pid, heard = client.python(CONVERSE, server=Lab.SERVER, ports=ports, how=how, protocol=protocol, wait_s=wait_s, mark=mark)
    return pid, {int(port): words for port, words in heard.items()}


@pytest.fixture
def ways(lab):
    """Who comes to the server by MPTCP is told of its other address, and the kernel goes there too."""
    lab.server.run(["ip", "address", "add", f"{ELSEWHERE}/24", "dev", "veth0"])
    lab.server.run(["ip", "mptcp", "endpoint", "add", ELSEWHERE, "dev", "veth0", "signal"])
    for namespace in (lab.client, lab.server):
        namespace.run(["ip", "mptcp", "limits", "set", "subflow", "4", "add_addr_accepted", "4"])
    for port in (80, 81, 82):
        serve_streams(lab.server, port, MPTCP)


def test_a_later_way_is_judged_as_the_programs_own(ways, netext, firewall, client, lab):
    """The kernel makes it, from a thread of its own, to an address that the other end named."""
    firewall(f"deny to {ELSEWHERE} port 80", f"deny program {PYTHON} to {ELSEWHERE} port 82", "deny port 81", "default allow")
    pid, heard = converse(client, 80, 81, 82, protocol=MPTCP, wait_s=0.3)
    assert heard == {80: "hello", 81: "EPERM", 82: "hello"}
    for port in (80, 82):
        wait_until(lambda: len(seen(netext, remote_port=port)) == 2, lambda: f"{netext.flows()}")
        assert sorted(seen(netext, remote_port=port)) == [(Lab.SERVER, "allow", "program", pid), (ELSEWHERE, "refuse", "program", pid)]
    assert all(flow["state"] == "closed" and flow.get("local_port") for flow in netext.flows(verdict="allow")), netext.flows()


@pytest.mark.kernel
def test_both_ways_are_asked_about_and_end_together(ways, netext, scripted, client, lab):
    scripted("80 allow", "81 refuse")
    pid, heard = converse(client, 80, 81, protocol=MPTCP, wait_s=0.3)
    assert heard == {80: "hello", 81: "ECONNREFUSED"}
    assert sorted(seen(netext, state="closed")) == [
        (Lab.SERVER, "allow", "program", pid), (Lab.SERVER, "refuse", "program", pid), (ELSEWHERE, "allow", "program", pid)]


def test_ways_past_a_proxy_and_a_foreign_mark(ways, netext, proxy, scripted, client):
    """A claimed connection has one way: what accepts it speaks TCP."""
    scripted("* allow")
    proxy("80 splice", "* decline")
    pid, heard = converse(client, 80, protocol=MPTCP, wait_s=0.3)
    assert heard == {80: "hello"} and seen(netext) == [(Lab.SERVER, "claim", "program", pid)]
    assert converse(client, 82, protocol=MPTCP, wait_s=0.3, mark=1)[1] == {82: "hello"}
    wait_until(lambda: len(netext.flows(remote_port=82, state="closed")) == 2, lambda: f"{netext.flows()}")


@pytest.mark.kernel
def test_what_comes_by_mptcp_is_its_listeners(netext, scripted, client, lab, visit):
    scripted("inbound ask", "80 allow", "81 refuse")
    servers = [serve_streams(lab.client, port, MPTCP) for port in (80, 81)]
    for namespace in (lab.client, lab.server):
        namespace.run(["ip", "mptcp", "limits", "set", "subflow", "4", "add_addr_accepted", "4"])
    lab.server.run(["ip", "address", "add", f"{ELSEWHERE}/24", "dev", "veth0"])
    lab.server.run(["ip", "mptcp", "endpoint", "add", ELSEWHERE, "dev", "veth0", "subflow"])
    came = json.loads(lab.server.run([PYTHON, "-I", "-c", f"""
import errno, json, socket, time
answer = []
for port in (80, 81):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, {MPTCP}) as ours:
        try:
            ours.connect(("{Lab.CLIENT}", port))
            ours.send(b"hello")
            answer.append(ours.recv(100).decode())
            time.sleep(0.3)
        except OSError as error:
            answer.append(errno.errorcode[error.errno])
print(json.dumps(answer))
"""]).stdout)
    assert came == ["hello", "ECONNREFUSED"]
    wait_until(lambda: len(netext.flows(direction="inbound", state="closed")) == 3, lambda: f"{netext.flows()}")
    assert sorted((flow["remote_address"], flow["verdict"], flow["pid"]) for flow in netext.flows()) == sorted([
        (Lab.SERVER, "allow", servers[0].pid), (ELSEWHERE, "allow", servers[0].pid), (Lab.SERVER, "refuse", servers[1].pid)])


@pytest.mark.kernel
def test_fast_open(lab, netext, scripted, firewall, proxy, client):
    """The first words go with the first segment, once the server is known: held, decided and delivered with it."""
    for namespace in (lab.client, lab.server):
        namespace.sysctl(net__ipv4__tcp_fastopen=3)
    for port in (80, 81, 82, 83, 84):
        serve_streams(lab.server, port, TCP)
    firewall("deny port 84", "allow port 85", "default allow")
    scripted("80 allow", "81 refuse", "82 pause 100 allow", "* allow")
    wanted = {80: "hello", 82: "hello", 81: "ECONNREFUSED", 84: "EPERM"}
    for how in ("connect", "fast", "fast-connect", "fast"):
        pid, heard = converse(client, *wanted, how=how)
        assert heard == wanted, how
    sent = lab.client.run(["nstat", "-asz", "TcpExtTCPFastOpenActive"]).stdout
    assert int(sent.split()[-2]) >= 4, sent  # words did go with the first segment
    proxy("83 splice", "* decline")
    for how in ("fast", "fast-connect", "fast"):
        assert converse(client, 83, how=how)[1] == {83: "hello"}
    assert {flow["verdict"] for flow in netext.flows(remote_port=83)} == {"claim"}


@pytest.mark.kernel
def test_what_the_kernel_does_for_a_program_is_the_programs(netext, firewall, client, server, serve):
    """io_uring: by the program's own call, by a worker thread, by a thread that looks at the ring."""
    serve(81)
    firewall("deny port 80", "default allow")
    for orders in ((), ("-a",), ("-p",)):
        for protocol in ("tcp", "udp"):
            for port, error in ((80, "EPERM"), (81, None)):
                done = json.loads(client.run(RING, *orders, protocol, Lab.SERVER, port).stdout)
                assert done["error"] == error, (orders, protocol, done)
                flow = netext.flow(remote_port=port, protocol=protocol, pid=done["pid"])
                assert flow["program"] == os.path.realpath(RING)
                assert not {"creator_pid", "last_sender_pid"} & set(flow)
    assert server.seen == []
