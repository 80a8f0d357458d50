# SPDX-License-Identifier: Apache-2.0
"""Every kind of trouble × every fail policy: what happens is declared, told, counted, and over by itself (R-01, D01, B1)."""
import contextlib
import os
import signal

import pytest

from harness.instance import started_at
from harness.lab import Lab
from harness.wait import wait_until

# What the rules decide without anybody: port 81 is allowed, port 82 denied. Ports 80, 84 and 85 are asked about.
RULES = ("rule 80 ask", "rule 81 allow", "rule 82 deny", "rule 84 ask", "rule 85 ask")
TIMEOUT_MS = 500


class Table:
    """One session, and what has to happen while it is in trouble. The extension says the contrary of its policy."""

    def __init__(self, netext, client, passes):
        self.netext, self.client, self.passes = netext, client, passes
        self.answer = "refuse" if passes else "allow"

    def check_rules(self):
        assert self.client.tcp(81).error is None
        assert self.client.tcp(82).error == "EPERM"

    def check_told(self, answer, *reasons):
        flow = self.netext.flow(local_port=answer.local_port)
        assert flow["reason"] in reasons and flow["decided_by"] == "scripted"
        assert flow["verdict"] == ("allow" if self.passes else "refuse")

    def check(self, port, *reasons):
        """A flow that nobody answers for goes as the policy says, within a second, and is counted."""
        before = self.netext.status()["flows_by_fail_policy"]
        answer = self.client.tcp(port)
        assert answer.error == (None if self.passes else "ECONNREFUSED") and answer.ms < TIMEOUT_MS + 1000, answer
        self.check_told(answer, *reasons)
        assert self.netext.status()["flows_by_fail_policy"] == before + 1
        self.check_rules()

    def check_healed(self):
        self.netext.wait_for_session("scripted", "running")
        answer = self.client.tcp(80)
        assert answer.error == ("ECONNREFUSED" if self.passes else None)
        assert self.netext.flow(local_port=answer.local_port)["reason"] == "provider"

    @contextlib.contextmanager
    def stopped(self):
        pid = self.netext.extension_pid("scripted")
        self.netext.kill(pid, signal.SIGSTOP)
        yield
        os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def without_daemons(self):
        flowd = self.netext.flowd_pid()
        self.netext.kill_netextd()
        os.kill(flowd, signal.SIGKILL)
        wait_until(lambda: started_at(flowd) is None, "flowd did not die")
        yield
        self.netext.restart_netextd()

    def crash_until_it_fails(self):
        while self.netext.session("scripted")["state"] != "failed":
            pid = self.netext.session("scripted").get("pid")
            with contextlib.suppress(ProcessLookupError):
                self.netext.kill(pid) if pid else None
            wait_until(lambda: self.netext.session("scripted").get("pid") != pid, "it did not die")


@pytest.mark.parametrize("policy, default, passes", (
    ("open", "ask", True),
    ("closed", "ask", False),
    ("last-rules", "allow", True),
    ("last-rules", "deny", False),
))
def test_trouble(netext, scripted, client, serve, policy, default, passes):
    servers = {port: serve(port) for port in (80, 81, 82, 84, 85)}
    table = Table(netext, client, passes)
    lines = (*RULES, f"default {default}", f"80 {table.answer}", f"84 sleep 800 {table.answer}", "85 crash")
    scripted(*lines, fail_policy=policy, verdict_timeout=TIMEOUT_MS)
    assert netext.session("scripted")["fail_policy"] == netext.ctl("chain")[0]["fail_policy"] == policy
    table.check_healed()
    table.check(84, "verdict-timeout")
    table.check_healed()
    with table.stopped():
        table.check(80, "verdict-timeout")
    table.check_healed()
    table.check(85, "provider-gone", "provider-absent")
    table.check_healed()
    before = netext.status()["packets_by_fail_policy"]
    with table.without_daemons():
        assert client.tcp(80).error == (None if passes else "ECONNREFUSED")
        table.check_rules()
    table.check_healed()
    assert netext.status()["packets_by_fail_policy"] == before + 1
    table.crash_until_it_fails()
    table.check(80, "provider-absent")
    netext.restart_flowd()
    table.check(80, "provider-absent")
    assert len(servers[80].seen) == (4 if passes else 5)
    assert servers[82].seen == [] and (servers[84].seen == servers[85].seen == []) != passes


# Each datagram to another port is another flow; what they are about is at its other end in a moment.
CROWD = """
    crowd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    crowd.setsockopt(socket.SOL_SOCKET, 32, 1 << 26)  # SO_SNDBUFFORCE: what waits is its own
    for port in range(count):
        crowd.sendto(b"!", (address, 10000 + port))
    answer = count
"""


@pytest.mark.parametrize("policy", ("open", "closed"))
def test_a_full_queue(netext, scripted, client, serve, policy):
    """More flows wait than there is room for: the others go as the policy says, in the kernel, which counts them."""
    server = serve(80)
    scripted("80 refuse" if policy == "open" else "80 allow", fail_policy=policy, verdict_timeout=10000)
    with netext.paused_flowd():
        client.python(CROWD, address=client.lab.SERVER, count=18000)
        answer = client.tcp(80)
        assert answer.error == (None if policy == "open" else "ECONNREFUSED") and answer.ms < 1000
    wait_until(lambda: netext.status()["flows_held"] == 0, "what waited was not decided", 30)
    assert netext.status()["packets_by_fail_policy"] > 1000
    answer = client.tcp(80)
    assert netext.flow(local_port=answer.local_port)["reason"] == "provider"
    assert len(server.seen) == 1


def test_a_crowd_of_one_program(netext, scripted, client, server):
    """It fills its quarter of the queue; what it opens beyond goes as the policy says, and others are asked about."""
    scripted("80 refuse", fail_policy="open", verdict_timeout=60000)
    extension = netext.extension_pid("scripted")
    netext.kill(extension, signal.SIGSTOP)
    assert client.python(CROWD, address=Lab.SERVER, count=6000) == 6000
    wait_until(lambda: netext.status()["flows_over_quota"] == 6000 - 4096, lambda: f"it has more: {netext.status()}")
    other = client.start("tcp", Lab.SERVER, 80)
    wait_until(lambda: netext.status()["flows_held"] == 4096 + 1, lambda: f"it does not wait: {netext.status()}")
    os.kill(extension, signal.SIGCONT)
    answer = client.answer(other)
    flow = netext.flow(local_port=answer.local_port)
    assert answer.error == "ECONNREFUSED" and flow["reason"] == "provider"
    wait_until(lambda: netext.status()["flows_held"] == 0, "what waited was not decided", 30)
    status = netext.status()
    assert status["flows_by_fail_policy"] == status["flows_over_quota"] and status["packets_by_fail_policy"] == 0


# Fills the ring of events: each of these is denied by a rule, which tells so.
NOISE = """
    for _ in range(count):
        with socket.socket() as noise:
            noise.connect_ex((address, 82))
    answer = count
"""


def test_a_full_ring_of_events(netext, scripted, client, serve):
    """Ends that nobody heard of are found: a port's next owner inherits nothing."""
    serve(80), serve(81)
    scripted("80 allow", "rule 81 allow", "rule 82 deny")
    staying, *leaving = [client.start(protocol, Lab.SERVER, port, "-n", "10000", "-i", "20")
                         for protocol, port in (("udp", 80), ("tcp", 80), ("udp", 80), ("tcp", 81))]
    wait_until(lambda: len(netext.flows(state="open")) == 4, lambda: f"they do not talk: {netext.flows()}")
    passed = ["nft", "list", "set", "inet", f"netext-{netext.name}", "passed4"]
    assert netext.lab.client.run(passed).stdout.count("expires") == 2
    with netext.paused_flowd():
        client.python(NOISE, address=Lab.SERVER, count=10000)
        for program in leaving:
            program.kill()
            program.wait()
    wait_until(lambda: len(netext.flows(state="open")) == 1, lambda: f"they did not end: {netext.flows(state='open')}")
    assert netext.status()["flows_not_recorded"] > 1000
    assert "no room for the events of 3 flows that ended" in netext.messages()
    assert netext.lab.client.run(passed).stdout.count("expires") == 1
    staying.kill()
    wait_until(lambda: not netext.flows(state="open"), "what was told was not heard")


def test_last_rules_of_who_has_none_refuse(netext, scripted, client, server):
    scripted("80 allow", fail_policy="last-rules", verdict_timeout=TIMEOUT_MS)
    with Table(netext, client, False).stopped():
        assert client.tcp(80).error == "ECONNREFUSED"
    assert netext.flow(remote_port=80)["reason"] == "verdict-timeout" and server.seen == []
