# SPDX-License-Identifier: Apache-2.0
"""Processes that are gone in under 5 ms, each attributed to the right executable."""
import collections
import os
import statistics

import pytest

from harness.paths import PROGRAMS
from harness.wait import wait_until

NAMES = ("ant", "bee", "crab", "dragonfly", "eel")


@pytest.mark.parametrize("protocol, count", [("tcp", 2000), ("udp", 500), ("udp-connected", 500)])
def test_each_brief_process_is_attributed(netext, scripted, client, server, tmp_path, protocol, count):
    scripted("* allow")
    copies = [copy_brief(tmp_path / name) for name in NAMES]
    truth = swarm(client, protocol, count, copies)
    assert len(truth) == count
    assert statistics.median(lifetime_us for _, _, lifetime_us, _ in truth) < 5000

    times = collections.Counter(port for _, port, _, _ in truth)
    once = [one for one in truth if times[one[1]] == 1]  # the kernel gives a free port to the next as well
    assert len(once) > 0.9 * count
    wait_until(lambda: len(netext.flows(remote_port=80, verdict="allow")) >= len(times), "not all were decided")
    flows = {flow["local_port"]: flow for flow in netext.flows(remote_port=80)}
    wrong = [(one, flows.get(one[1])) for one in once if not is_right(flows.get(one[1]), one[0], one[3])]
    assert not wrong, f"{len(wrong)} of {count}, the first: {wrong[0]}"


@pytest.mark.parametrize("protocol", ["tcp", "udp", "udp-connected"])
def test_their_flows_end(netext, scripted, client, server, protocol):
    scripted("* allow")
    swarm(client, protocol, 50, [PROGRAMS / "brief"])
    wait_until(lambda: not netext.flows(state="open") and not netext.flows(state="held"),
               lambda: f"{len(netext.flows(state='open'))} of {len(netext.flows())} flows are open without a program")


def test_hard_links_are_named_as_they_were_started(netext, scripted, client, server, tmp_path):
    scripted("* allow")
    original, link = copy_brief(tmp_path / "original"), tmp_path / "link"
    os.link(original, link)
    for pid, port, _, program in swarm(client, "tcp", 20, [original, link]):
        assert is_right(netext.flow(local_port=port), pid, program)


def copy_brief(path):
    path.write_bytes((PROGRAMS / "brief").read_bytes())
    path.chmod(0o755)
    return path


def swarm(client, protocol, count, programs):
    """What each process said of itself: pid, local port, lifetime in microseconds, executable."""
    done = client.run(PROGRAMS / "swarm", count, protocol, client.lab.SERVER, 80, *programs, timeout=60)
    assert done.returncode == 0, done.stderr
    return [(int(pid), int(port), int(lifetime_us), program)
            for pid, port, lifetime_us, program in map(str.split, done.stdout.splitlines())]


def is_right(flow, pid, program):
    return bool(flow) and flow.get("pid") == pid and flow.get("program") == program
