# SPDX-License-Identifier: Apache-2.0
"""The owner of a flow is who opened it; what other namespaces send through this one is nobody's here."""
import contextlib
import socket

import pytest

from harness.client import PYTHON
from harness.lab import Lab
from harness.namespace import Namespace, run
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

HANDED_ON = """
import subprocess

def in_child(work):
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    os.waitpid(child, 0)
    return child

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


def test_who_opens_the_flow_owns_it(netext, scripted, client, serve):
    """R-13, R-14: not who made the socket, nor who has it besides."""
    for port in (80, 82):
        serve(port)
    scripted("* allow")
    pids = client.python(HANDED_ON, server=Lab.SERVER, user=USER)
    assert len(set(pids.values())) == 3
    for port, who in ((80, "other"), (81, "other"), (82, "child"), (83, "child"), (84, "parent")):
        assert netext.flow(remote_port=port)["pid"] == pids[who]


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
