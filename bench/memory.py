# SPDX-License-Identifier: Apache-2.0
"""Rows about memory: what the processes of a fresh instance hold, and what open flows add.

A flow's memory is the growth of the proportional set sizes of flowd and of the extension
(/proc/PID/smaps_rollup), so what the kernel holds for it, sockets and pipes, is not counted.
That extension keeps nothing of its own: what it grows by is the SDK's.
"""
import collections
import functools
import os
import re
import resource
import shutil
import tempfile
import time

import sites
from loads import PORT, program
from measure import Site, VERDICTS, spread

from harness.client import Client, PYTHON
from harness.lab import Lab

SETTLE_S = 1  # until a daemon that has just started counts as idle
N_FLOWS = 8000
N_DESCRIPTORS = 20_000  # flowd has two for each claimed flow, and gives one program half of them
N_ALLOWED = 100_000
# Each with a process on either side, since a process can have so many descriptors.
ENDS = [(address, int(PORT) + i) for address in (Lab.SERVER, Lab.SERVER6) for i in range(4)]
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


# --- a flow that is open -----------------------------------------------------------------


def start_holding(lab, count, address=Lab.SERVER, port=int(PORT), python=PYTHON):
    """Opens connections, one after the other; they last until something is written to the result."""
    return Client(lab).start_python(HOLD, python=python, address=address, port=port, count=count)


def hold(lab, count, python=PYTHON):
    """The same, and they are open."""
    Client.wait_for_ready(start_holding(lab, count, python=python), 120)


def hold_by_two(lab, count):
    """The same, by two programs."""
    with tempfile.TemporaryDirectory() as folder:
        for python in (PYTHON, shutil.copy(PYTHON, f"{folder}/another-python")):
            hold(lab, count // 2, python)


def flow_memory_once(options):
    """{"flowd", "SDK"}: KiB that each of many open flows adds to them."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (N_DESCRIPTORS, N_DESCRIPTORS))
    with Site(options, "connect-1", sites.none) as site:
        instance = site.stack.enter_context(sites.netext_instance(site.lab))
        instance.start_session(program("proxy-splice"))
        pids = {"flowd": instance.flowd_pid(), "SDK": instance.extension_pid("proxy-splice")}
        hold(site.lab, 1)  # what the first flow makes once and for all is not the others'
        before = {part: kib_of(pid, "smaps_rollup", "Pss") for part, pid in pids.items()}
        hold_by_two(site.lab, N_FLOWS)
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


def allowed_flow_memory():
    """KiB that each of very many open flows adds to flowd, which a filter was asked about."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (N_DESCRIPTORS, N_DESCRIPTORS))
    with Lab(f"netext-bench-{os.getpid()}-many") as lab, sites.netext_instance(lab) as instance:
        for address, port in ENDS:
            lab.server.start([program("load"), "server", address, port], ready="ready")
        instance.start_session("hello-filter")
        hold(lab, 1)
        before = kib_of(instance.flowd_pid(), "smaps_rollup", "Pss")
        for holder in [start_holding(lab, N_ALLOWED // len(ENDS), *end) for end in ENDS]:
            Client.wait_for_ready(holder, 120)
        after = kib_of(instance.flowd_pid(), "smaps_rollup", "Pss")
        kept, allowed = (instance.status()[key] for key in ("flows_kept", "flows_allowed"))
        sites.expect(kept == allowed == N_ALLOWED + 1,
                     f"{kept} of {N_ALLOWED + 1} open flows are known, {allowed} were allowed")
        return (after - before) / N_ALLOWED


class AllowedFlowMemory(collections.namedtuple("AllowedFlowMemory", "at_most")):
    """A row: the memory of a flow that passes in the kernel since it was allowed, in KiB. One sample:
    it takes its time, and nothing else of the machine's is in it."""

    name = f"memory of an allowed flow, KiB, {N_ALLOWED} open: flowd"

    def measure(self, options):
        reached = spread([allowed_flow_memory()])
        return {"verdict": VERDICTS[reached["median"] <= self.at_most], "reached": reached,
                "at_most": self.at_most}
