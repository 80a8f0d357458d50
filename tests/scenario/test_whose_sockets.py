# SPDX-License-Identifier: Apache-2.0
"""The owner of a flow is who opened it; what other namespaces send through this one is nobody's here."""
import contextlib
import os
import socket

import pytest

from harness.client import PYTHON
from harness.lab import Lab
from harness.namespace import Namespace, run, wait_for_line
from harness.wait import wait_until

# Gets a socket for streams and one for datagrams, and uses them.
USER = """
import os, socket, sys
_, fds, _, _ = socket.recv_fds(socket.socket(fileno=0), 1, 2)
stream, datagrams = (socket.socket(fileno=fd) for fd in fds)
stream.connect((sys.argv[1], 80))
datagrams.sendto(b"hello", (sys.argv[1], 81))
print(os.getpid(), flush=True)
"""

IN_CHILD = """
def in_child(work):
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    os.waitpid(child, 0)
    return child
"""

HANDED_ON = IN_CHILD + """
import subprocess

def make():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

stream, datagrams = make()
given = make()
ours, theirs = socket.socketpair()
with subprocess.Popen([sys.executable, "-I", "-c", user, server], stdin=theirs, stdout=subprocess.PIPE, text=True) as other:
    socket.send_fds(ours, [b"x"], [one.fileno() for one in given])
    answer = {"other": int(other.stdout.readline())}
answer["child"] = in_child(lambda: [stream.connect((server, 82)), datagrams.sendto(b"hello", (server, 83))])
datagrams.sendto(b"hello", (server, 84))
answer["parent"] = os.getpid()
"""

# A program that is started with a socket as its descriptor 3.
CONNECTS = """
import socket, sys
socket.socket(fileno=3).connect((sys.argv[1], int(sys.argv[2])))
"""

MADE_BY_OTHERS = IN_CHILD + """
def stream(protocol=0):
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)

def execute(ours, port):
    os.dup2(ours.fileno(), 3, inheritable=True)
    os.execv(sys.executable, [sys.executable, "-I", "-c", user, server, str(port)])

def leave_to_heir():
    ours, maker = stream(), os.getpid()
    if os.fork():
        return
    while os.getppid() == maker:
        time.sleep(0.01)
    ours.connect((server, 80))
    os.write(told, b"%d" % os.getpid())

answer = {"main": os.getpid()}
heard, told = os.pipe()
answer["gone"] = in_child(leave_to_heir)
answer["heir"] = int(os.read(heard, 20))
ready = stream()
answer["service"] = in_child(lambda: execute(ready, 81))
answer["executed"] = in_child(lambda: execute(stream(), 82))
several_ways = stream(socket.IPPROTO_MPTCP)
answer["child"] = in_child(lambda: several_ways.connect((server, 83)))
ours = []
for work in (lambda: ours.append(stream()), lambda: ours[0].connect((server, 84))):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""

# Sends a datagram, and one more for each line that it reads: in a child, or by itself.
SENT_BY_SEVERAL = """
ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ours.sendto(b"hello", (server, 80))
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork() if line == "child\\n" else None
    if not child:
        ours.sendto(b"hello", (server, 80))
    if child == 0:
        os._exit(0)
    if child:
        os.waitpid(child, 0)
    print("ready", child, flush=True)
ours.close()
answer = "over"
"""
THIS_PROGRAM = os.path.realpath(PYTHON)


def made_by(flow):
    """Process and program, if they are not the owner."""
    return (flow["creator_pid"], flow["creator_program"]) if "creator_pid" in flow else None


def test_who_opens_the_flow_owns_it(netext, scripted, client, serve):
    """R-13, R-14: not who made the socket, nor who has it besides."""
    for port in (80, 82):
        serve(port)
    scripted("* allow")
    pids = client.python(HANDED_ON, server=Lab.SERVER, user=USER)
    assert len(set(pids.values())) == 3
    for port, who in ((80, "other"), (81, "other"), (82, "child"), (83, "child"), (84, "parent")):
        flow = netext.flow(remote_port=port)
        assert flow["pid"] == pids[who]
        assert made_by(flow) == (None if who == "parent" else (pids["parent"], THIS_PROGRAM))


@pytest.mark.kernel
@pytest.mark.parametrize("decided_by", ["rules", "extension"])
def test_who_made_the_socket_is_named_beside_the_owner(decided_by, netext, scripted, firewall, client, serve):
    """R-14: a maker who is gone, a socket that a service is started with, exec(), MPTCP, and threads."""
    for port in (80, 81, 82, 83, 84):
        serve(port)
    decider, rule = (scripted, "* allow") if decided_by == "extension" else (firewall, "default allow")
    decider(rule)
    pids = client.python(MADE_BY_OTHERS, server=Lab.SERVER, user=CONNECTS)
    for port, who, maker in ((80, "heir", "gone"), (81, "service", "main"), (82, "executed", "executed"),
                             (83, "child", "main"), (84, "main", None)):
        flow = netext.flow(remote_port=port)
        assert flow["pid"] == pids[who], port
        assert made_by(flow) == (maker and (pids[maker], THIS_PROGRAM)), port
        assert maker is None or flow["creator_started_ns"] <= flow["process_started_ns"]
    number, maker = netext.flow(remote_port=80)["flow"], pids["gone"]
    assert f"made by   {THIS_PROGRAM}, process {maker}\n" in netext.run_ctl("flow", "explain", number).stdout


def test_who_sent_the_last_datagram_is_named_if_that_is_another(netext, scripted, client, server):
    """R-13, R-14: the owner of a socket that several processes use is who began the flow."""

    def send(who):
        program.stdin.write(f"{who}\n")
        program.stdin.flush()
        return wait_for_line(program, "ready", 15).split()[-1]

    def sender():
        flow = netext.flow(remote_port=80)
        assert flow["pid"] == program.pid and "creator_pid" not in flow
        return flow.get("last_sender_pid"), flow.get("last_sender_program")

    scripted("* allow")
    program = client.start_python(SENT_BY_SEVERAL, server=Lab.SERVER)
    client.wait_for_ready(program)
    assert sender() == (None, None)
    child = int(send("child"))
    assert sender() == (child, THIS_PROGRAM)
    send("owner")
    assert sender() == (None, None)
    child = int(send("child"))
    program.stdin.close()
    assert client.python_answer(program) == "over"
    wait_until(lambda: netext.flow(remote_port=80)["state"] == "closed", "the flow did not end with its socket")
    assert sender() == (child, THIS_PROGRAM)
    number = netext.flow(remote_port=80)["flow"]
    assert f"last sent {THIS_PROGRAM}, process {child}\n" in netext.run_ctl("flow", "explain", number).stdout


def test_a_socket_from_outside_is_not_the_instances(netext, firewall, lab, serve):
    """It counts where it was made: netext(7) says so."""
    serve(80)
    firewall("default deny")
    ours, theirs = socket.socketpair()
    with ours, theirs, lab.client.socket(socket.AF_INET, socket.SOCK_STREAM) as stream, \
            lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        socket.send_fds(ours, [b"x"], [stream.fileno(), datagrams.fileno()])
        lab.client.run([PYTHON, "-I", "-c", USER, Lab.SERVER], stdin=theirs)
    assert netext.flows() == []


@pytest.fixture
def container(lab):
    """A namespace whose way to the server leads through the client's; its programs are in the instance's cgroup."""
    with contextlib.closing(Namespace()) as made:
        made.cgroup = lab.cgroup
        run(["ip", "link", "add", "inner", "netns", made.path, "type", "veth", "peer", "name", "outer", "netns", lab.client.path])
        for namespace, device, host in ((lab.client, "outer", 1), (made, "inner", 2)):
            namespace.run(["ip", "-batch", "-"], input=f"""
                link set {device} addrgenmode none
                link set {device} up
                address add 198.18.1.{host}/24 dev {device}
                address add fd00:198:19::{host}/64 dev {device} nodad
            """)
        made.run(["ip", "-batch", "-"], input="""
            route add default via 198.18.1.1
            route add default via fd00:198:19::1
        """)
        lab.client.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        lab.server.run(["ip", "-batch", "-"], input=f"""
            route add 198.18.1.0/24 via {Lab.CLIENT}
            route add fd00:198:19::/64 via {Lab.CLIENT6}
        """)
        yield made


@pytest.mark.kernel
def test_containers_are_neither_asked_about_nor_broken(container, netext, firewall, scripted, serve, client, lab):
    """R-16, whatever the rules of this namespace say: TCP, UDP in fragments, and a ping."""
    serve(80)
    firewall("allow direction inbound", "default deny")
    scripted("inbound deny", "* drop", fail_policy="closed")
    for address in (Lab.SERVER, Lab.SERVER6):
        heard = container.run([PYTHON, "-I", "-c", f"""
import socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with socket.create_connection(("{address}", 80)) if kind == socket.SOCK_STREAM else \\
            socket.socket(socket.AF_INET6 if ":" in "{address}" else socket.AF_INET, kind) as ours:
        ours.settimeout(5)
        ours.connect(("{address}", 80)) if kind == socket.SOCK_DGRAM else None
        ours.sendall(b"x" * 5000)
        size = 0
        while size < 5000:
            size += len(ours.recv(5000))
        print(size)
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as ours:
    ours.settimeout(5)
    ours.sendto(bytes((8, 0, 247, 255, 0, 0, 0, 0)), ("{Lab.SERVER}", 0))
    print(ours.recv(100)[20])
"""]).stdout
        assert heard.split() == ["5000", "5000", "0"]
    assert netext.flows() == []
    assert client.tcp(80).error == "EPERM"  # a program of this namespace


def test_a_flood_is_bounded_and_counted(netext, firewall, client, server):
    """R-23, R-10, R-24: more flows than there is room for."""
    firewall("deny protocol udp port 1024-65535", "default allow")
    flowd = netext.flowd_pid()
    n = client.python("""
        answer = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            for port in range(1024, 31024):
                try:
                    ours.sendto(b"hello", (server, port))
                except PermissionError:
                    answer += 1
    """, server=Lab.SERVER)
    assert n == 30000
    assert client.udp(80).error is None and client.tcp(80).error is None
    known = netext.flows(verdict="refuse")
    status = netext.status()
    assert 1000 < len(known) <= 4096
    wait_until(lambda: netext.flowd_pid() == flowd, "flowd did not survive")
    newest = max(flow["flow"] for flow in netext.flows())
    assert newest + status.get("flows_not_recorded", 0) >= n + 2, (newest, status)
