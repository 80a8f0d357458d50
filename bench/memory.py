# SPDX-License-Identifier: Apache-2.0
"""Rows about memory: what the processes of a fresh instance hold, and what claimed flows add.

A flow's memory is the growth of the proportional set sizes of flowd and of the extension
(/proc/PID/smaps_rollup), so what the kernel holds for it, sockets and pipes, is not counted.
That extension keeps nothing of its own: what it grows by is the SDK's.
"""
import collections
import functools
import os
import re
import resource
import time

import sites
from loads import PORT, program
from measure import Site, VERDICTS, spread

from harness.client import Client
from harness.lab import Lab

SETTLE_S = 1  # until a daemon that has just started counts as idle
N_FLOWS = 8000
N_DESCRIPTORS = 20000  # flowd has two for each flow
HOLD = """
    connections = []
    for number in range(count):
        connection = socket.create_connection((address, port), 20)
        connection.sendall(b"!")
        if connection.recv(1) != b"!":
            sys.exit(f"connection {number} gave no answer")
        connections.append(connection)
    print("ready", flush=True)
    sys.stdin.readline()
    answer = count
"""


def kib_of(pid, file, key):
    with open(f"/proc/{pid}/{file}", encoding="ascii") as values:
        return int(re.search(rf"^{key}:\s+(\d+) kB$", values.read(), re.MULTILINE)[1])


# --- an idle instance --------------------------------------------------------------------


def idle_rss_once():
    with Lab(f"netext-bench-{os.getpid()}-idle") as lab, sites.netext_instance(lab) as instance:
        instance.start_session("hello-filter")
        time.sleep(SETTLE_S)
        pids = {"netextd": instance.process.pid, "flowd": instance.flowd_pid(),
                "hello-filter": instance.extension_pid("hello-filter")}
        return {process: kib_of(pid, "status", "VmRSS") / 1024 for process, pid in pids.items()}


@functools.cache
def idle_rss(n_samples):
    """[{process: MiB}]: one instance gives a sample of each process."""
    return [idle_rss_once() for _ in range(n_samples)]


class IdleRss(collections.namedtuple("IdleRss", "process at_most")):
    """A row: the resident memory of a process of a fresh instance, in MiB."""

    @property
    def name(self):
        return f"idle RSS, MiB: {self.process}"

    def measure(self, options):
        reached = spread([sample[self.process] for sample in idle_rss(options.pairs)])
        return {"verdict": VERDICTS[reached["median"] <= self.at_most],
                "reached": reached, "at_most": self.at_most}


# --- a claimed flow ----------------------------------------------------------------------


def hold(site, count):
    """Opens connections, one after the other; they last until something is written to the result."""
    holder = Client(site.lab).start_python(HOLD, address=Lab.SERVER, port=int(PORT), count=count)
    Client.wait_for_ready(holder, 120)
    return holder


def flow_memory_once(options):
    """{"flowd", "SDK"}: KiB that each of many open flows adds to them."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (N_DESCRIPTORS, N_DESCRIPTORS))
    with Site(options, "connect-1", sites.none) as site:
        instance = site.stack.enter_context(sites.netext_instance(site.lab))
        instance.start_session(program("proxy-splice"))
        pids = {"flowd": instance.flowd_pid(), "SDK": instance.extension_pid("proxy-splice")}
        hold(site, 1)  # what the first flow makes once and for all is not the others'
        before = {part: kib_of(pid, "smaps_rollup", "Pss") for part, pid in pids.items()}
        hold(site, N_FLOWS)
        after = {part: kib_of(pid, "smaps_rollup", "Pss") for part, pid in pids.items()}
        claimed = instance.status()["flows_claimed"]
        sites.expect(claimed == N_FLOWS + 1, f"{claimed} of {N_FLOWS + 1} flows were claimed")
        return {part: (after[part] - before[part]) / N_FLOWS for part in pids}


class FlowMemory(collections.namedtuple("FlowMemory", "at_most")):
    """A row: the memory of a claimed flow that the platform carries, in KiB."""

    name = f"memory of a claimed flow, KiB, {N_FLOWS} open: flowd + SDK"

    def measure(self, options):
        samples = [flow_memory_once(options) for _ in range(options.pairs)]
        reached = spread([sum(sample.values()) for sample in samples])
        parts = {part: spread([sample[part] for sample in samples])["median"] for part in samples[0]}
        return {"verdict": VERDICTS[reached["median"] <= self.at_most], "reached": reached,
                "at_most": self.at_most, "parts": parts,
                "remark": ", ".join(f"{part} {kib:.2f}" for part, kib in parts.items())}
