# SPDX-License-Identifier: Apache-2.0
"""No datagram is lost, doubled or overtaken, whichever socket sends it, whichever call, whoever decides (B18)."""
import socket

import pytest

from harness.client import PYTHON
from harness.lab import Lab
from harness.wait import wait_until

N_WORDS = 12
GROUP, GROUP6, BROADCAST = "239.1.2.3", "ff15::1234", "198.18.0.255"
PEERS = "198.19"  # a network of it: each of its addresses is the server

# The server's: prints what came once nothing more does.
HEAR = f"""
import socket, struct
ours = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
ours.setsockopt(socket.SOL_SOCKET, 33, 1 << 25)  # SO_RCVBUFFORCE
ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
ours.bind(("::", 80))
index = socket.if_nametoindex("veth0")
ours.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("{GROUP}") + socket.inet_aton("{Lab.SERVER}"))
ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "{GROUP6}") + struct.pack("i", index))
print("ready", flush=True)
heard = []
ours.settimeout(20)
while not heard or heard[-1] != b"end":
    heard.append(ours.recv(65536))
for words in heard[:-1]:
    name, number, rest = words.split(b" ", 2)
    print(name.decode(), number.decode(), len(rest), len(set(rest)), flush=True)
print("end", flush=True)
"""

SENDERS = """
import ctypes, itertools
index = socket.if_nametoindex("veth0")
rows, sockets = {}, []

def open_socket(family, address, is_bound, is_connected):
    ours = socket.socket(family, socket.SOCK_DGRAM)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    ours.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(local))
    if family == socket.AF_INET6:
        ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    if is_bound:
        ours.bind(("" if family == socket.AF_INET else "::", 0))
    if is_connected:
        ours.connect((address, 80))
    sockets.append(ours)  # nobody else shall get its port
    return ours

def say(name, ours, to, n=n_words, size=10):
    for number in range(n):
        words = b"%s %d " % (name.encode(), number) + b"x" * size
        if to is None:
            ours.send(words)
        else:
            ours.sendto(words, to)
"""

MATRIX = SENDERS + """
for name, family, address in destinations:
    for is_bound, is_connected in itertools.product((False, True), repeat=2):
        row = f"{name}{'-bound' * is_bound}{'-connected' * is_connected}"
        ours = open_socket(getattr(socket, family), address, is_bound, is_connected)
        say(row, ours, None if is_connected else (address, 80))
        rows[row] = ours.getsockname()[1]
answer = rows
"""

DESTINATIONS = [("v4", "AF_INET", Lab.SERVER), ("v6", "AF_INET6", Lab.SERVER6), ("mapped", "AF_INET6", "::ffff:" + Lab.SERVER),
                ("v4-group", "AF_INET", GROUP), ("v6-group", "AF_INET6", GROUP6), ("mapped-group", "AF_INET6", "::ffff:" + GROUP),
                ("v4-all", "AF_INET", BROADCAST), ("mapped-all", "AF_INET6", "::ffff:" + BROADCAST)]


@pytest.fixture
def peers(lab):
    """Before there is an instance: it checks that routes are as they were."""
    lab.server.run(["ip", "route", "add", "local", f"{PEERS}.0.0/16", "dev", "lo"])
    lab.client.run(["ip", "route", "add", f"{PEERS}.0.0/16", "via", Lab.SERVER])


@pytest.fixture
def hear(lab):
    """hear() is what the server heard, by the name of who said it."""
    lab.wait_for_groups()
    process = lab.server.start([PYTHON, "-I", "-c", HEAR], ready="ready")

    def end():
        with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as outsider:
            outsider.sendto(b"end", (Lab.SERVER, 80))
        heard = {}
        for line in iter(process.stdout.readline, "end\n"):
            name, *numbers = line.split()
            heard.setdefault(name, []).append(tuple(map(int, numbers)))
        return heard

    return end


def in_order(n, size=10):
    return [(number, size, 1) for number in range(n)]


def decide(who, scripted, firewall, after="pause 50"):
    if who == "asked":
        scripted(f"80 {after} allow")
    else:
        firewall("allow protocol udp port 80", "default deny")


@pytest.mark.kernel
@pytest.mark.parametrize("who", ["asked", "rules"])
def test_every_kind_of_socket(netext, scripted, firewall, client, hear, who):
    """D13: families, bound or not, connected or not, to one, to a group and to all."""
    decide(who, scripted, firewall)
    sent = client.python(MATRIX, destinations=DESTINATIONS, n_words=N_WORDS, local=Lab.CLIENT)
    assert len(sent) == 4 * len(DESTINATIONS)
    wait_until(lambda: not netext.flows(state="held"), "the flows were not decided")
    heard = hear()
    assert heard == {name: in_order(N_WORDS) for name in sent}
    flows = {flow["local_port"]: flow for flow in netext.flows(remote_port=80)}
    addresses = {name: address.removeprefix("::ffff:") for name, _, address in DESTINATIONS}
    assert len(netext.flows()) == len(flows) == len(sent)
    for name, port in sent.items():
        destination = name.removesuffix("-connected").removesuffix("-bound")
        assert flows[port]["remote_address"] == addresses[destination], (name, flows[port])
        assert (flows[port]["owner"], flows[port]["verdict"]) == ("program", "allow"), (name, flows[port])


CALLS = SENDERS + """
libc = ctypes.CDLL(None, use_errno=True)

class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("size", ctypes.c_size_t)]

class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_size", ctypes.c_uint), ("vector", ctypes.POINTER(Iovec)),
                ("n", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t),
                ("flags", ctypes.c_long), ("sent", ctypes.c_long)]

def many(name, ours, peers):  # sendmmsg(2)
    messages = (Message * len(peers))()
    kept = []
    for message, (number, peer) in zip(messages, enumerate(peers)):
        words = b"%s %d xxxxxxxxxx" % (name.encode(), number)
        to = ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + struct.pack("!H", 80) + socket.inet_aton(peer) + bytes(8))
        vector = Iovec(words, len(words))
        kept.append((words, to, vector))
        message.name, message.name_size = ctypes.addressof(to), 16
        message.vector, message.n = ctypes.pointer(vector), 1
    at = 0
    while at < len(peers):
        n = libc.sendmmsg(ours.fileno(), ctypes.byref(messages, at * ctypes.sizeof(Message)), min(100, len(peers) - at), 0)
        assert n > 0, os.strerror(ctypes.get_errno())
        at += n

ours = open_socket(socket.AF_INET, None, False, False)
rows["many"] = None
many("many", ours, [f"{peers}.{n // 250}.{n % 250 + 1}" for n in range(n_peers)])
rows["many"] = ours.getsockname()[1]

ours = open_socket(socket.AF_INET, None, False, False)  # one call, cut into datagrams by the kernel
ours.setsockopt(socket.IPPROTO_UDP, 103, 100)  # UDP_SEGMENT
for first in range(0, 40, 20):
    ours.sendto(b"".join((b"burst %d " % n).ljust(100, b"x") for n in range(first, first + 20)), (server, 80))
rows["burst"] = ours.getsockname()[1]

ours = open_socket(socket.AF_INET6, server6, False, True)
ours.setsockopt(socket.SOL_SOCKET, 60, 1)  # SO_ZEROCOPY
kept = [b"uncopied %d " % n + b"x" * 1000 for n in range(10)]
for words in kept:
    ours.send(words, 0x4000000)  # MSG_ZEROCOPY
poll, n_done = select.poll(), 0
poll.register(ours, 0)
while n_done < len(kept) and poll.poll(5000):  # until the kernel needs them no more
    _, control, _, _ = ours.recvmsg(0, 100, socket.MSG_ERRQUEUE)
    n_done = struct.unpack_from("=IBBBBII", control[0][2])[6] + 1  # struct sock_extended_err
assert n_done == len(kept)
rows["uncopied"] = ours.getsockname()[1]

for name, family, to in (("large", socket.AF_INET, server), ("large6", socket.AF_INET6, server6)):
    ours = open_socket(family, None, False, False)
    say(name, ours, (to, 80), 5, 20000)
    rows[name] = ours.getsockname()[1]

ours = open_socket(socket.AF_INET, None, True, False)
for n in range(10):  # the source in each datagram
    ours.sendmsg([b"source %d xxxxxxxxxx" % n], [(socket.IPPROTO_IP, 8, struct.pack("=i4s4x", 0, socket.inet_aton(local)))], 0, (server, 80))
rows["source"] = ours.getsockname()[1]

ours = open_socket(socket.AF_INET, None, False, False)
for n in range(3):  # words that are put together before they leave
    for words in (b"corked %d " % n, b"xxxxx"):
        ours.sendto(words, socket.MSG_MORE, (server, 80))
    ours.sendto(b"xxxxx", (server, 80))
rows["corked"] = ours.getsockname()[1]
answer = rows
"""


@pytest.mark.parametrize("who", ["asked", "rules"])
def test_every_call(peers, netext, scripted, firewall, client, hear, who):
    n_peers = 1000
    decide(who, scripted, firewall, "")
    sent = client.python(CALLS, n_words=N_WORDS, n_peers=n_peers, peers=PEERS, local=Lab.CLIENT, server=Lab.SERVER,
                         server6=Lab.SERVER6)
    wait_until(lambda: not netext.flows(state="held"), "the flows were not decided")
    heard = hear()
    for name, n, size in (("many", n_peers, 10), ("uncopied", 10, 1000), ("large", 5, 20000), ("large6", 5, 20000),
                          ("source", 10, 10), ("corked", 3, 10)):
        assert heard[name] == in_order(n, size), name
    assert [(number, kinds) for number, _, kinds in heard["burst"]] == [(n, 1) for n in range(40)]
    assert sorted(heard) == sorted(sent)
    flows = netext.flows()
    assert len(flows) == n_peers + len(sent) - 1
    assert len({flow["remote_address"] for flow in flows if flow["local_port"] == sent["many"]}) == n_peers
    assert {(flow["owner"], flow["verdict"]) for flow in flows} == {("program", "allow")}
