# SPDX-License-Identifier: Apache-2.0
"""Every process dies again and again: no flow ends for it (R-02), and the kernel is as after the first time (R-03)."""
import collections
import os
import pathlib
import re

import pytest

from harness import snapshot
from harness.paths import CGROUP2

SESSIONS = ("firewall", "scripted", "scripted-proxy")


def descriptors(pid):
    """How many of each kind: BPF maps, programs and links are among them."""
    held = (os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    return collections.Counter(re.sub(r"\d+", "", what) for what in held)


def pins(name):
    return sorted(str(pin) for root in snapshot.ROOTS for pin in pathlib.Path(root, name).glob("**/*_*"))


def cgroups(name):
    return sorted(str(path) for path in (CGROUP2 / "netext" / name).glob("**/"))


def state(netext, lab):
    """What could have become more: the kernel's objects, and what the processes hold. Flows come and go in sets, and
    each flowd listens for claimed ones on a port of its own."""
    rules = {"rules": re.sub(r"(tproxy .*):\d+", r"\1", lab.client.run(["nft", "-s", "-t", "list", "ruleset"]).stdout)}
    routing = {key: text for key, text in snapshot.of_namespace(lab.client).items() if key != "nft"}
    pids = {"netextd": netext.process.pid, "flowd": netext.flowd_pid(),
            **{name: netext.extension_pid(name) for name in SESSIONS}}
    return {**rules, **routing, **snapshot.of_cgroup(lab.cgroup), "pins": pins(netext.name),
            "cgroups": cgroups(netext.name), **{f"{name}'s": descriptors(pid) for name, pid in pids.items()}}


def restart_all(netext):
    for name in SESSIONS:
        netext.restart_extension(name)
    netext.kill_netextd()
    netext.restart_netextd()
    for name in SESSIONS:
        netext.wait_for_session(name, "running")
    netext.restart_flowd()


@pytest.mark.parametrize("cycles", (4, pytest.param(100, marks=pytest.mark.soak)))
def test_restarts_leave_no_trace(netext, scripted, firewall, proxy, client, server, serve, lab, cycles):
    serve(81), serve(82)
    firewall("allow port 81", "default allow")
    scripted("80 allow", "82 allow")
    proxy("82 splice")
    talkers = [client.start(protocol, lab.SERVER, port, "-n", str(20 * cycles), "-i", "100")
               for protocol, port in (("tcp", 80), ("tcp", 81), ("udp", 80))]
    for port in (80, 81):
        netext.flow(remote_port=port, protocol="tcp")
    restart_all(netext)
    before = state(netext, lab)
    for _ in range(1, cycles):
        restart_all(netext)
        after = state(netext, lab)
        assert after == before, [(key, before[key], after[key]) for key in before if before[key] != after[key]]
        assert client.tcp(82).error is None
    for talker in talkers:
        answer = client.answer(talker, 20 + 10 * cycles)
        assert (answer.answers, answer.error) == (20 * cycles, None)
