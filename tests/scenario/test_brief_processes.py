# SPDX-License-Identifier: Apache-2.0
"""Processes that are gone in under 5 ms, each attributed to the right executable (R-11, R-12)."""
import collections
import concurrent.futures
import os
import statistics
import time
import types

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
    assert statistics.median(one.lifetime_us for one in truth) < 5000

    times = collections.Counter(one.port for one in truth)
    once = [one for one in truth if times[one.port] == 1]  # the kernel gives a free port to the next as well
    assert len(once) > 0.9 * count
    wait_until(lambda: len(netext.flows(remote_port=80, verdict="allow")) >= len(times), "not all were decided")
    flows = {flow["local_port"]: flow for flow in netext.flows(remote_port=80)}
    wrong = [(one, flows.get(one.port)) for one in once if not is_right(flows.get(one.port), one.pid, one.program)]
    assert not wrong, f"{len(wrong)} of {count}, the first: {wrong[0]}"


@pytest.mark.alone
def test_ten_thousand_of_them_with_few_ports_and_outages(netext, scripted, client, server, tmp_path):
    """Five rounds of two thousand. After the second flowd is killed in each: what it had is forgotten with it,
    and what came since is right and complete, although a port was used again while a packet waited."""
    scripted("* allow")
    copies = [copy_brief(tmp_path / name) for name in NAMES]
    for number in range(5):
        allowed = netext.status()["flows_allowed"]
        before = max((flow["flow"] for flow in netext.flows()), default=0)
        ports = f"{30000 + number * 1000} {30399 + number * 1000}" if number else "1024 65535"
        client.run("sysctl", "-q", "-w", f"net.ipv4.ip_local_port_range={ports}")
        with concurrent.futures.ThreadPoolExecutor() as executor:
            swarming = executor.submit(swarm, client, "tcp", 2000, copies)
            if number > 1:
                wait_until(lambda: netext.status()["flows_allowed"] > allowed + 100, "they did not begin")
                flowd = netext.kill_flowd()
                killed_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1000
                netext.wait_for_another_flowd(flowd)
            truth = {one.pid: (one.port, one.program) for one in swarming.result()}
            since = [one.pid for one in swarming.result() if number < 2 or one.started_us > killed_us]
        assert len(truth) == 2000 and len(since) > 100
        wait_until(lambda: not netext.flows(state="held"), "not all were decided", 30)
        flows = {flow["pid"]: flow for flow in netext.flows(remote_port=80) if flow["flow"] > before}
        wrong = [flow for pid, flow in flows.items() if truth[pid] != (flow["local_port"], flow["program"])]
        assert not wrong, f"round {number}: {len(wrong)} of {len(flows)}, the first: {wrong[0]}"
        missing = [pid for pid in since if pid not in flows]
        assert not missing, f"round {number}: {len(missing)} of {len(since)}"


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
    for one in swarm(client, "tcp", 20, [original, link]):
        assert is_right(netext.flow(local_port=one.port), one.pid, one.program)


def copy_brief(path):
    path.write_bytes((PROGRAMS / "brief").read_bytes())
    path.chmod(0o755)
    return path


def swarm(client, protocol, count, programs):
    """What each process said of itself: pid, port, lifetime_us, started_us since boot, program."""
    done = client.run(PROGRAMS / "swarm", count, protocol, client.lab.SERVER, 80, *programs, timeout=60)
    assert done.returncode == 0, done.stderr
    return [types.SimpleNamespace(pid=int(pid), port=int(port), lifetime_us=int(lifetime), started_us=int(started),
                                  program=program)
            for pid, port, lifetime, started, program in map(str.split, done.stdout.splitlines())]


def is_right(flow, pid, program):
    return bool(flow) and flow.get("pid") == pid and flow.get("program") == program
