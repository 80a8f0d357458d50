# SPDX-License-Identifier: Apache-2.0
"""Each process is killed or stopped at random moments under load: the fail policy holds, nothing passes it (R-01)."""
import bisect
import collections
import contextlib
import itertools
import os
import random
import signal
import time

import pytest

from harness.instance import started_at, waited_s
from harness.lab import Lab
from harness.steady import TOLD_PORT, Steady

SEED = int(os.environ.get("KILLS_SEED", random.randrange(1, 1 << 16)))
PACE_MS = 60
TIMEOUT_S = 0.3     # the extension's time to answer
LIMIT_S = 1
UNTIL_NEXT_S = (0.1, 0.5)
STOPPED_S = (0.1, 0.8)
STOPS = 0.25        # of all that is done to a process
SHOWN = 20

NEIGHBOURS = "198.18.0.66", "fd00:198:18::66"
# Who decides: the extension, its rules about ports, its rules about a host of the local network, nobody.
PORTS = {"allowed": 80, "refused": 84, "permitted": 81, "denied": 82, "neighbour": 85, "home": 90}
ASKED = ("allowed", "refused")
SCRIPT = (f"tell {TOLD_PORT}", "loopback exclude", *(f"rule {address} allow" for address in NEIGHBOURS), "rule 85 deny",
          "rule 80 ask", "rule 84 ask", "rule 81 allow", "rule 82 deny", "80 allow", "84 refuse")
CONNECTED = ("udp-connected", "udp-again")  # connect() sends nothing: the datagram is what is denied

# Name, what the rules say of flows that they do not match, whether what nobody answers for passes.
POLICIES = (("open", "ask", True), ("closed", "ask", False),
            ("last-rules", "allow", True), ("last-rules", "deny", False))

Trouble = collections.namedtuple("Trouble", "what began ended waited_s")


def targets():
    """Name, which begins with who decides: how it is talked to."""
    hosts = {"home": ("127.0.0.1", "::1"), "neighbour": NEIGHBOURS}
    found = {}
    for who, port in PORTS.items():
        address, address6 = hosts.get(who, (Lab.SERVER, Lab.SERVER6))
        for kind, to in (("tcp", address), ("tcp", address6), ("udp", address), ("udp-connected", address6),
                         ("udp-again", address)):
            found[f"{who} {kind} {to}"] = kind, to, port
    return found


def usual_end(who, kind):
    if who == "denied":
        return "ECONNREFUSED" if kind in CONNECTED else "EPERM"
    return "ECONNREFUSED" if who == "refused" else None


class Killer:
    """Does something to a process, and waits until all is well again."""

    VICTIMS = ("extension", "flowd", "netextd")

    def __init__(self, netext, load):
        self.netext, self.load, self.chance = netext, load, random.Random(SEED)

    def strike(self, victim):
        how = "stop" if self.chance.random() < STOPS else "kill"
        self.netext.remember_processes()
        before, began = self._waited(), time.time()
        {"stop": self._stop, "kill": self._kill}[how](victim)
        self.netext.wait_for_session("scripted", "running")
        ended, after = time.time(), self._waited()
        return Trouble(f"{how} {victim}", began, ended, sum(after[pid] - before.get(pid, 0) for pid in after))

    def _pid(self, victim):
        return {"extension": lambda: self.netext.extension_pid("scripted"), "flowd": self.netext.flowd_pid,
                "netextd": lambda: self.netext.process.pid}[victim]()

    def _waited(self):
        """How long those were ready to run that have to, and others had the CPU."""
        return {pid: waited_s(pid) for pid in (self.load.pid, *map(self._pid, self.VICTIMS))}

    def _stop(self, victim):
        pid = self._pid(victim)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.chance.uniform(*STOPPED_S))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        self.netext.status()  # netextd has done by now what it had in mind with a flowd that is stopped
        if started_at(pid) is None:
            self.netext.wait_for_another_flowd(pid)

    def _kill(self, victim):
        pid = self._pid(victim)
        if victim == "netextd":
            self.netext.kill_netextd()
            time.sleep(self.chance.uniform(*STOPPED_S))
            self.netext.restart_netextd()
        else:
            os.kill(pid, signal.SIGKILL)
        if victim == "extension":
            self.netext.wait_for_session("scripted", "running", instead_of=pid)
        if victim == "flowd":
            self.netext.wait_for_another_flowd(pid)


class Judge:
    """Holds what was seen against what was declared."""

    def __init__(self, load, troubles, passes):
        self.load, self.troubles, self.passes = load, troubles, passes
        self.ends = [one.ended for one in troubles]

    def during(self, began, ended):
        later = self.troubles[bisect.bisect_left(self.ends, began):]
        return list(itertools.takewhile(lambda one: one.began <= ended, later))

    def leaks(self):
        """What reached the far side, and nobody had let pass."""
        return [arrival for arrival in self.load.arrivals if not self._may_arrive(arrival)]

    def _may_arrive(self, arrival):
        who, = (who for who, port in PORTS.items() if port == arrival.remote_port)
        if who not in ASKED:
            return who != "denied"
        allowed_at = self.load.allowed.get(arrival[:3])
        return allowed_at and allowed_at < arrival.at or self.passes and self.during(arrival.at, arrival.at)

    def wrong_ends(self):
        return [flow for flow in self.load.flows if not self._may_end(flow)]

    def _may_end(self, flow):
        who, kind, _ = flow.target.split()
        troubles = self.during(flow.began, flow.decided)
        expected, limit = {usual_end(who, kind)}, LIMIT_S + sum(one.waited_s for one in troubles)
        if troubles and who in ASKED:
            expected.add(None if self.passes else "ECONNREFUSED")
            limit += TIMEOUT_S
        return flow.error in expected and (not troubles or flow.decided - flow.began < limit)

    def complaints(self):
        for what, found in (("reached the far side", self.leaks()), ("ended otherwise", self.wrong_ends())):
            for one in found[:SHOWN]:
                at = one.at if what == "reached the far side" else one.began
                meanwhile = [f"{trouble.what} {trouble.began - at:+.3f} to {trouble.ended - at:+.3f} s"
                             for trouble in self.troubles if trouble.began - 2 < at < trouble.ended + 1]
                yield f"{what}: {one}; {', '.join(meanwhile) or 'no trouble'}"
            if len(found) > SHOWN:
                yield f"{len(found)} {what}"


@pytest.fixture
def load(netext, lab, serve):
    serve(PORTS["home"], lab.client)
    for address, prefix in zip(NEIGHBOURS, (24, 64)):
        lab.server.run(["ip", "address", "add", f"{address}/{prefix}", "dev", "veth0",
                        *(["nodad"] if ":" in address else [])])
    with contextlib.closing(Steady(lab, targets(), PACE_MS)) as started:
        yield started


@pytest.mark.parametrize("kills", (1, pytest.param(200, marks=pytest.mark.soak)))
def test_policies_hold(netext, scripted, load, kills):
    """`kills` of each process under each policy. KILLS_SEED, which is printed, repeats the choices."""
    print(f"KILLS_SEED={SEED}")
    killer, complaints = Killer(netext, load), []
    for policy, default, passes in POLICIES:
        scripted(*SCRIPT, f"default {default}", fail_policy=policy, verdict_timeout=int(TIMEOUT_S * 1000))
        load.go()
        troubles = []
        for _ in range(kills):
            for victim in killer.chance.sample(Killer.VICTIMS, len(Killer.VICTIMS)):
                time.sleep(killer.chance.uniform(*UNTIL_NEXT_S))
                troubles.append(killer.strike(victim))
        time.sleep(UNTIL_NEXT_S[1])
        load.pause()
        judge = Judge(load, troubles, passes)
        n_met = sum(bool(judge.during(flow.began, flow.decided)) for flow in load.flows)
        print(f"{policy}, default {default}: {len(troubles)} times, {len(load.flows)} flows, {n_met} of them met it, "
              f"{len(load.arrivals)} arrived", *judge.complaints(), sep="\n  ", flush=True)
        complaints += judge.complaints()
        assert n_met > len(troubles) and {flow.target for flow in load.flows} == set(targets())
        netext.stop_session("scripted")
    assert not complaints, "\n".join(complaints)
