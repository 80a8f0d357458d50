# SPDX-License-Identifier: Apache-2.0
"""Rows about an instance that has nothing to do: what its processes spend (R-22).

It has a filter and a proxy, and connections are open that both have passed, on which nothing is said.
Whoever wakes up then has a timer that runs for nothing.
"""
import collections
import functools
import os
import time

import memory
import sites
from loads import PORT, program
from measure import VERDICTS, spread
from spent import spent_by

from harness.lab import Lab

N_CONNECTIONS = 100
SETTLE_S = 3  # until what the last of them began is over
IDLE_S = 10   # what wakes up more seldom costs nothing
FILTER, PROXY = "hello-filter", "proxy-splice"


@functools.cache
def idle():
    """{process: what it spends in IDLE_S}."""
    with Lab(f"netext-bench-{os.getpid()}-idle") as lab, sites.netext_instance(lab) as instance:
        lab.server.start([program("load"), "server", Lab.SERVER, PORT], ready="ready")
        instance.start_session(FILTER)
        instance.start_session(program(PROXY))
        memory.hold(lab, N_CONNECTIONS)
        claimed = instance.status()["flows_claimed"]
        sites.expect(claimed == N_CONNECTIONS, f"{claimed} of {N_CONNECTIONS} flows were claimed")
        pids = {"netextd": instance.process.pid, "flowd": instance.flowd_pid(),
                FILTER: instance.extension_pid(FILTER), PROXY: instance.extension_pid(PROXY)}
        time.sleep(SETTLE_S)
        before = {process: spent_by(pid) for process, pid in pids.items()}
        time.sleep(IDLE_S)
        return {process: spent_by(pid) - before[process] for process, pid in pids.items()}


class Idle(collections.namedtuple("Idle", "what of_spent at_most")):
    """A row: the sum over all processes."""

    @property
    def name(self):
        return f"idle {self.what}: netextd + flowd + 2 extensions, {N_CONNECTIONS} connections open"

    def measure(self, options):
        parts = {process: self.of_spent(spent) for process, spent in idle().items()}
        reached = spread([sum(parts.values())])
        return {"verdict": VERDICTS[reached["median"] <= self.at_most], "reached": reached,
                "at_most": self.at_most, "parts": parts,
                "remark": ", ".join(f"{process} {value:.3g}" for process, value in parts.items())}


def idle_cpu(at_most):
    return Idle("CPU, %", lambda spent: 100 * spent.cpu_ns / (IDLE_S * 1e9), at_most)


def idle_wakeups(at_most):
    return Idle(f"wake-ups in {IDLE_S} s", lambda spent: spent.wakeups, at_most)
