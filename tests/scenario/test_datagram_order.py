# SPDX-License-Identifier: Apache-2.0
"""A datagram does not overtake those of its program that wait for flowd, however long that, or the program, is kept
from running; who has nothing there does not wait (B18); and what waits as its flow is ended is ended with it."""
import concurrent.futures
import time

import pytest

from harness.instance import stopped
from harness.lab import Lab
from harness.namespace import wait_for_line
from harness.wait import wait_until

# On the same socket, as many datagrams as each line of its stdin says, numbered on; "0": as fast as it can for a second.
SPEAK = """
    speaker = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    if is_connected:
        speaker.connect((address, 80))
    print("ready", flush=True)
    said = 0
    def say():
        global said
        words = b"%d" % said
        speaker.send(words) if is_connected else speaker.sendto(words, (address, 80))
        said += 1
    for line in sys.stdin:
        end = time.monotonic() + (line == "0\\n")
        for _ in range(int(line)):
            say()
        while time.monotonic() < end:
            say()
        print("said", said, flush=True)
"""
EVERY = [(address, is_connected) for address in (Lab.SERVER, Lab.SERVER6) for is_connected in (False, True)]


class Speaker:
    def __init__(self, client, server, address=Lab.SERVER, is_connected=True):
        self.client, self.server, self.said = client, server, 0
        self.process = client.start_python(SPEAK, address=address, is_connected=is_connected)
        client.wait_for_ready(self.process)

    def say(self, n):
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        self.said = int(wait_for_line(self.process, "said", 15).split()[1])

    @property
    def heard(self):
        return [int(words) for protocol, _, words in self.server.seen if protocol == "udp"]

    def wait_until_silent(self):
        """A program that never paused may have said more than the server could take."""
        n = -1
        while n < len(self.heard):
            n = len(self.heard)
            time.sleep(0.3)

    def wait_until_heard(self):
        """Looks more often than wait_until(): what comes next may have to be soon."""
        end = time.monotonic() + 5
        while len(self.heard) < self.said:
            assert time.monotonic() < end, (self.said, self.heard)
            time.sleep(0.001)
        assert self.heard == list(range(self.said))


@pytest.fixture
def daemons(netext):
    """netextd, which would not wait for flowd, and flowd."""
    return netext.process.pid, netext.flowd_pid()


@pytest.mark.kernel
@pytest.mark.parametrize("address,is_connected", EVERY)
@pytest.mark.parametrize("who", ["asked", "rules"])
def test_no_datagram_overtakes_those_that_wait(netext, scripted, firewall, client, serve, daemons, who, address, is_connected):
    """The flow has passed when flowd is stopped; some wait behind it, and others come much later."""
    if who == "asked":
        scripted("80 allow")
    else:
        firewall("allow protocol udp port 80", "default deny")
    speaker = Speaker(client, serve(80), address, is_connected)
    for n in (2, 4):
        with stopped(*daemons):
            speaker.say(n)
        speaker.wait_until_heard()
        with stopped(*daemons):
            speaker.say(5)
            time.sleep(0.15)
            speaker.say(2)
        speaker.wait_until_heard()


def assert_needs_no_flowd(speaker, daemons):
    with stopped(*daemons):
        speaker.say(20)
        speaker.wait_until_heard()


@pytest.mark.parametrize("address,is_connected", EVERY)
def test_one_question_is_all_that_waits(netext, scripted, client, serve, daemons, address, is_connected):
    """Whose first datagram was alone in the queue goes on without it at once."""
    scripted("80 allow")
    speaker = Speaker(client, serve(80), address, is_connected)
    speaker.say(1)
    speaker.wait_until_heard()
    assert_needs_no_flowd(speaker, daemons)


@pytest.mark.parametrize("n", [2, 10, 32])
def test_who_began_with_many_comes_out_of_the_queue(netext, scripted, client, serve, daemons, n):
    """With the third datagram at the latest after a moment in which nothing waits."""
    scripted("80 allow")
    speaker = Speaker(client, serve(80))
    with stopped(*daemons):
        speaker.say(n)
    speaker.wait_until_heard()
    for _ in range(3):
        speaker.say(1)
        speaker.wait_until_heard()
    assert_needs_no_flowd(speaker, daemons)
    assert netext.status()["datagrams_asked_again"] == 0
    assert len(netext.flows(remote_port=80)) == 1


def test_who_never_pauses_comes_out_of_the_queue(netext, scripted, client, serve, daemons):
    """Also where flowd is slower than the program."""
    scripted("80 allow")
    server = serve(80)
    speaker = Speaker(client, server)
    with stopped(*daemons):
        speaker.say(10)
    speaker.say(0)
    speaker.wait_until_silent()
    with stopped(*daemons):
        speaker.say(1)
        wait_until(lambda: speaker.heard[-1] == speaker.said - 1, lambda: f"it waits after {speaker.said}")
    assert len(netext.flows(remote_port=80)) == 1


@pytest.mark.kernel
@pytest.mark.parametrize("address,is_connected", EVERY)
@pytest.mark.parametrize("who", ["a person", "rules"])
def test_what_waits_as_its_flow_ends_is_of_that_flow(netext, firewall, client, serve, daemons, who, address, is_connected):
    """Also where that takes the end from a socket, and nobody knows whose the datagrams were (SOCK_DESTROY)."""
    path = firewall("default allow")
    speaker = Speaker(client, serve(80), address, is_connected)
    with stopped(*daemons):
        speaker.say(2)
    speaker.wait_until_heard()
    verb = ["kill", "--remote", address] if who == "a person" else ["rejudge"]
    if who == "rules":
        path.write_text("deny port 80\n", encoding="utf-8")
        wait_until(lambda: client.tcp(80).error == "EPERM", "the new rules are not in force")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with netext.frozen_flowd():
            done = pool.submit(netext.run_ctl, "flow", *verb)
            time.sleep(0.3)  # flowd hears of that before it looks into the queue
            if who == "a person" or is_connected:  # else a hook would refuse it
                speaker.say(3)
        assert done.result().returncode == 0, done.result()
    time.sleep(0.2)
    assert speaker.heard == [0, 1]
    flow, = netext.flows(protocol="udp")
    assert (flow["state"], flow["ended_by"]) == ("closed", "person" if who == "a person" else "judged-again"), flow
    assert netext.status()["datagrams_asked_again"] == 0
