# SPDX-License-Identifier: Apache-2.0
"""The packet filter: what a packet says becomes of it, packet by packet; see extensions/packets.c."""
import array
import contextlib
import fcntl
import os
import signal
import socket
import struct
import time

import pytest

from harness.client import PYTHON
from harness.instance import started_at
from harness.lab import Lab
from harness.namespace import wait_for_line
from harness.wait import wait_until

HEAR = """
import socket, sys
here = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
here.bind((sys.argv[1], 9))
print("ready", flush=True)
heard = []
while not heard or not heard[-1][0].startswith("end"):
    text = here.recv(70000).decode()
    heard.append([text[:6], len(text)])
print(heard, flush=True)
"""


class Ear:
    """A socket of the server's that hears datagrams."""

    def __init__(self, lab, port, address=Lab.SERVER):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = lab.server.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.socket.settimeout(0.5)

    def hear(self, n=None, timeout=0.5):
        """The next n datagrams, or all that come until none does for a while."""
        heard = []
        self.socket.settimeout(5 if n else timeout)
        with contextlib.suppress(TimeoutError):
            while n is None or len(heard) < n:
                heard.append(self.socket.recv(70000).decode())
        return heard

    def close(self):
        self.socket.close()


@pytest.fixture
def ear(lab):
    with contextlib.ExitStack() as stack:
        yield lambda port, *address: stack.enter_context(contextlib.closing(Ear(lab, port, *address)))


@pytest.fixture
def say(client):
    """say("nx:drop", …) has a program of the client send datagrams to port 9, or to others."""

    def send(*texts, to=Lab.SERVER, port=9):
        code = """
            family = socket.AF_INET6 if ":" in to else socket.AF_INET
            out = socket.socket(family, socket.SOCK_DGRAM)
            out.setsockopt(socket.SOL_SOCKET, 32, 8 << 20)  # SO_SNDBUFFORCE: what is delayed is in it
            for text in texts:
                out.sendto(text.encode(), (to, port))
            answer = out.getsockname()[1]
        """
        return client.python(code, texts=texts, to=to, port=port)

    return send


@pytest.fixture
def ping(client):
    return client.ping


def shown(netext, text=""):
    """What filters said that they were shown: (session, direction, interface, thread, size, word)."""
    lines = [line.partition("shown ")[2].strip().split(" ", 5) for line in netext.messages().splitlines() if "shown " in line]
    return [line for line in lines if len(line) == 6 and line[5].startswith(text)]


def wait_for_shown(netext, text, n=1):
    wait_until(lambda: len(shown(netext, text)) >= n, lambda: f"not shown: {text}\n{netext.messages()}")


@pytest.mark.kernel
def test_each_packet_is_allowed_dropped_or_delayed(netext, packets, ear, say, ping):
    packets("out any 17 any", "any any 1 any", "any any 58 any")
    four, six = ear(9), ear(9, Lab.SERVER6)
    say("one", "nx:drop", "two")
    assert four.hear(2) == ["one", "two"]
    say("one", "nx:drop", "two", to=Lab.SERVER6)
    assert six.hear(2) == ["one", "two"]
    say("a", "nx:delay b", "c", "nx:delay d")
    assert four.hear(2) == ["a", "c"]
    say("nx:release")
    assert sorted(four.hear(3)) == ["nx:delay b", "nx:delay d", "nx:release"]
    for to in (Lab.SERVER, Lab.SERVER6):
        assert ping("hello", to=to) == "hello"
        assert ping("nx:drop", to=to, wait=0.3) is None
        assert ping("nx:say", to=to) == "nx:say"
    wait_for_shown(netext, "say", 4)
    said = [(way, interface) for _, way, interface, *_ in shown(netext, "say")]
    assert said == [("out", "veth0"), ("in", "veth0")] * 2  # its answer says the same
    status = netext.status()
    assert status["packets_dropped"] == 4 and status["packets_delayed"] == 2, status
    assert status["packets_not_judged"] == 0, status


def test_what_no_rule_names_never_leaves_the_kernel(netext, packets, ear, say, ping, lab):
    packets("out any 17 198.18.0.2", "in veth0 1 any", "out nowhere any any")
    shown_rules = netext.run_ctl("rules", "show", "packets").stdout.splitlines()[1:]
    assert [line.split(maxsplit=3)[1:] for line in shown_rules] == [["ask", "-", rest] for rest in (
        "direction outbound to 198.18.0.2 protocol 17", "direction inbound interface veth0 protocol 1",
        "direction outbound interface nowhere")] + [["allow", "-", "(what this host says to itself is left alone)"]]
    heard = ear(9)
    say("nx:say one")
    wait_for_shown(netext, "say one")
    assert ping("nx:say ping") == "nx:say ping"
    say("nx:drop", to=Lab.SERVER6)
    say("nx:drop", to="198.18.0.3")
    assert [(way, word) for _, way, *_, word in shown(netext)] == [("out", "say one"), ("in", "say ping")]
    assert netext.status()["packets_shown"] == 2
    # another script, in force as one
    packets.rewrite("out veth0 17 fd00::/8", name="packets")
    netext.wait_for_message("packets", "applied: Success")
    wait_until(lambda: say("nx:drop") and heard.hear(), "the old rule stayed in force")
    say("nx:say six", to=Lab.SERVER6)
    wait_for_shown(netext, "say six")


def test_an_interface_is_its_name(netext, packets, say, lab):
    """R-45: one that goes and comes back has another number."""
    packets("out passing0 17 any")
    for word in ("first", "second"):
        lab.client.run(["ip", "-batch", "-"], input="""
            link add passing0 type veth peer name passing1
            address add 198.18.9.1/24 dev passing0
            link set passing1 up
            link set passing0 up
        """)
        say(f"nx:say {word}", to="198.18.9.2")
        wait_for_shown(netext, f"say {word}")
        lab.client.run(["ip", "link", "del", "passing0"])


def test_loopback_is_left_alone_unless_it_is_asked_for(netext, packets, say, client):
    echo = """
        here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        here.bind(("127.0.0.1", 0))
        here.settimeout(wait)
        here.sendto(text.encode(), here.getsockname())
        try: answer = here.recv(100).decode()
        except TimeoutError: answer = None
    """
    packets("any any any any")
    assert client.python(echo, text="nx:drop", wait=5) == "nx:drop"
    netext.stop_session("packets")
    packets("loopback", "any lo any any")
    assert client.python(echo, text="nx:say", wait=5) == "nx:say"
    assert client.python(echo, text="nx:drop", wait=0.3) is None
    wait_for_shown(netext, "say", 2)
    assert [line[1:3] for line in shown(netext, "say")] == [["out", "lo"], ["in", "lo"]]


def test_several_threads_judge_at_once(netext, packets, lab, ear, say, client):
    packets("out any 17 any")
    targets = [f"198.18.0.{number}" for number in range(10, 26)]
    lab.server.run(["ip", "-batch", "-"], input="".join(f"address add {one}/32 dev veth0\n" for one in targets))
    client.python("""
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        answer = [out.sendto(f"nx:say {target}".encode(), (target, 9)) for target in targets]
    """, targets=targets)
    wait_for_shown(netext, "say", len(targets))
    threads = {line[5].split()[1]: line[3] for line in shown(netext, "say")}
    assert len(set(threads.values())) >= 2, threads
    slow, quick = targets[0], next(one for one in targets if threads[one] != threads[targets[0]])
    ears = {one: ear(9, one) for one in (slow, quick)}
    say("nx:sleep 1500", to=slow)
    wait_for_shown(netext, "sleep")
    say("now", to=quick)
    assert ears[quick].hear(1) == ["now"]
    say("behind", to=slow)
    assert ears[slow].hear(timeout=0.2) == []  # in its order
    assert ears[slow].hear(2) == ["nx:sleep 1500", "behind"]


@pytest.mark.parametrize("policy", ("open", "closed"))
def test_a_provider_that_does_not_answer(netext, packets, ear, say, policy):
    heard, passes = ear(9), policy == "open"
    packets("out any 17 any", fail_policy=policy, verdict_timeout=300)
    pid = netext.extension_pid("packets")
    netext.kill(pid, signal.SIGSTOP)
    say(*[f"one {number}" for number in range(200)])  # more than it is asked about at once
    assert len(heard.hear()) == (200 if passes else 0)
    say("late")  # nobody waits for it any more
    assert heard.hear(timeout=0.2) == (["late"] if passes else [])
    netext.kill(pid, signal.SIGCONT)
    wait_until(lambda: say("nx:say again") and heard.hear(timeout=0.2) and shown(netext, "say again"),
               "it did not come back")
    # delayed, and never let go: the provider dies
    say("nx:delay", "nx:delay")
    wait_for_shown(netext, "delay", 2)
    heard.hear()
    pid = netext.extension_pid("packets")
    netext.kill(pid)
    assert heard.hear() == (["nx:delay"] * 2 if passes else [])
    netext.wait_for_session("packets", "running", instead_of=pid)
    say("after")
    assert heard.hear(1) == ["after"]
    say("nx:crash")
    assert heard.hear() == (["nx:crash"] if passes else [])
    assert netext.status()["packets_not_judged"] >= 203


@pytest.mark.parametrize("policy", ("open", "closed"))
def test_flowd_is_killed(netext, packets, ping, policy):
    """Pings, since a datagram would wait for the next flowd's word about its flow."""
    packets("out any 1 any", fail_policy=policy)
    assert ping("nx:delay", wait=0.2) is None
    pid = netext.flowd_pid()
    os.kill(netext.process.pid, signal.SIGSTOP)  # nobody starts another one
    try:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: started_at(pid) is None, "it did not end")
        answer = ping("meanwhile", wait=0.3)
    finally:
        os.kill(netext.process.pid, signal.SIGCONT)
    assert answer == ("meanwhile" if policy == "open" else None)
    netext.wait_for_another_flowd(pid)
    netext.wait_for_session("packets", "running")
    wait_until(lambda: ping("nx:say back") and shown(netext, "say back"), "its packets did not come back")
    assert ping("nx:drop", wait=0.2) is None


@pytest.mark.parametrize("word, said", [("wrong", "packet_handler returned 7"), ("nothing", "did not delay")])
def test_a_faulty_handler_ends_its_extension(netext, packets, ear, say, word, said):
    packets("out any 17 any")
    pid = netext.extension_pid("packets")
    say(f"nx:{word}")
    netext.wait_for_session("packets", "running", instead_of=pid)
    assert said in netext.messages()


def test_more_is_delayed_than_there_is_room_for(netext, packets, ear, say):
    heard = ear(9)
    heard.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    packets("out any 17 any")
    say(*["nx:quiet delay"] * 1100)
    assert len(heard.hear(1100 - 1024)) == 1100 - 1024
    assert heard.hear() == [] and netext.status()["packets_delayed"] == 1024
    say("nx:forget")
    assert heard.hear() == ["nx:forget"]
    say("nx:delay", "nx:say", "nx:release")
    assert sorted(heard.hear(3)) == ["nx:delay", "nx:release", "nx:say"]


def test_sessions_see_a_packet_one_after_the_other(netext, packets, ear, say, scripted):
    packets("out any 17 any", name="second", order=2, fail_policy="closed")
    packets("out any 17 any", name="first", order=1)
    scripted("* allow")
    assert [(place["session"], place["kind"]) for place in netext.ctl("chain")] == [
        ("scripted", "filter"), ("first", "packet-filter"), ("second", "packet-filter")]
    heard = ear(9)
    say("nx:say both", "nx:drop")
    assert heard.hear() == ["nx:say both"]
    wait_for_shown(netext, "", 3)
    said = [(line[0], line[5]) for line in shown(netext)]
    assert [word for name, word in said if name == "first"] == ["say both", "drop"]
    assert [word for name, word in said if name == "second"] == ["say both"]
    # the second is closed, so nothing gets past it; without it, the first is asked alone
    netext.kill(netext.extension_pid("second"), signal.SIGSTOP)
    say("nx:say waits")
    assert heard.hear() == []
    netext.stop_session("second")
    assert heard.hear(1) == ["nx:say waits"]


def compute_checksums(namespace):
    """From now on by the kernel, before a packet leaves: then who gets it checks them."""
    set_checksums, off = 0x17, 0  # ETHTOOL_STXCSUM
    value = array.array("I", [set_checksums, off])
    request = struct.pack("16sP", b"veth0", value.buffer_info()[0])
    with namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8946, request)  # SIOCETHTOOL


BULK = """
    connection = socket.create_connection((to, 80))
    sent = text.encode().ljust(16) * (1 << 17)
    got = hashlib.sha256()
    def receive():
        left = len(sent)
        while left and (piece := connection.recv(1 << 16)):
            got.update(piece)
            left -= len(piece)
    thread = threading.Thread(target=receive)
    thread.start()
    connection.sendall(sent)
    thread.join()
    answer = got.hexdigest() == hashlib.sha256(sent).hexdigest()
"""


@pytest.mark.kernel
def test_large_packets_and_fragments(netext, packets, lab, ear, say, client, serve):
    """A segment that the kernel cuts later is one packet; the other end checks what arrives."""
    serve(80)
    packets("any any any any", verdict_timeout=20000)

    def largest(way):
        return max((int(line[4]) for line in shown(netext, "quiet bulk") if line[1] == way), default=0)

    for to in (Lab.SERVER, Lab.SERVER6):
        assert client.python(BULK, to=to, text="nx:quiet bulk")
        for way in ("in", "out"):
            wait_until(lambda: largest(way) > 20000, lambda: f"the largest {way} had {largest(way)} bytes")
    for namespace in (lab.client, lab.server):
        compute_checksums(namespace)
    for to in (Lab.SERVER, Lab.SERVER6):
        assert client.python(BULK, to=to, text="nx:quiet sums")
        heard, long = ear(9, to), "nx:say long".ljust(20000, "x")
        say(long, "nx:drop".ljust(20000, "x"), to=to)
        assert heard.hear() == [long]
    wait_for_shown(netext, "say long", 2)
    assert [int(line[4]) > 20000 for line in shown(netext, "say long")] == [True, True]
    assert netext.status()["packets_not_judged"] == 0


def test_fragments_that_come_in(netext, packets, lab, listener):
    """IPv4 is put together before; of IPv6 the first is shown, and without it there is no datagram."""
    packets("in any 17 any")
    for address, mine in ((Lab.CLIENT, Lab.SERVER), (Lab.CLIENT6, Lab.SERVER6)):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        waiting = lab.client.start([PYTHON, "-c", HEAR, address])
        wait_for_line(waiting, "ready", 10)
        with lab.server.socket(family, socket.SOCK_DGRAM) as out:
            for word in ("nx:say", "nx:drop", "end"):
                out.sendto(word.ljust(5000, "x").encode(), (address, 9))
        assert wait_for_line(waiting, "[", 10) == str([["nx:say", 5000], ["endxxx", 5000]])
    wait_for_shown(netext, "say", 2)
    sizes = [int(line[4]) for line in shown(netext, "say")]
    assert sizes[0] == 5028 and sizes[1] < 1500, sizes


def test_the_example_answers_pings_late(netext, ping):
    netext.start_session("hello-packet-filter")
    assert netext.session("hello-packet-filter")["kind"] == "packet-filter"
    began = time.monotonic()
    assert ping("late", wait=5) == "late" and time.monotonic() - began > 0.1
    assert ping("large", wait=0.4, size=2000) is None


def test_another_process_takes_over(netext, packets, ear, say):
    """What the old one delayed is its own until it lets it go, or its time is over."""
    heard = ear(9)
    packets("out any 17 any")
    say("nx:delay")
    wait_for_shown(netext, "delay")
    pid = netext.extension_pid("packets")
    restarting = netext.lab.client.start(netext.ctl_command("session", "restart", "packets"), cgroup=netext.lab.daemons.path)
    netext.wait_for_session("packets", "running", instead_of=pid)
    say("nx:release", "nx:say new")
    assert heard.hear(2) == ["nx:release", "nx:say new"]
    assert heard.hear() == []
    assert restarting.wait(30) == 0
    assert heard.hear() in ([], ["nx:delay"])
    say("nx:drop", "after")
    assert heard.hear(1) == ["after"]

