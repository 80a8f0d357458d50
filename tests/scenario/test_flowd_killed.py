# SPDX-License-Identifier: Apache-2.0
"""flowd dies: traffic goes on within a second, and no rule is there twice (R-01, R-02)."""
import os
import pathlib
import signal
import time

import pytest

from harness import snapshot
from harness.instance import waited_s
from harness.wait import wait_until


def test_allowed_flows_go_on(netext, scripted, client, server, lab):
    scripted("80 allow")
    process = client.start("tcp", lab.SERVER, 80, "-n", "50")
    netext.flow(remote_port=80)
    netext.kill_flowd()
    answer = client.answer(process)
    assert (answer.answers, answer.error) == (50, None)


def test_new_flows_are_decided_within_a_second(netext, scripted, client, server):
    """What the daemons were ready to do while others had the CPU does not count."""
    scripted("80 allow", fail_policy="closed")
    process = client.start_python("""
        print("ready", flush=True)
        sys.stdin.readline()
        answer = socket.socket().connect_ex((address, 80))
    """, address=client.lab.SERVER)
    client.wait_for_ready(process)
    before = waited_s(netext.process.pid)
    netext.kill_flowd()
    killed_ns = time.time_ns()
    process.stdin.write("go\n")
    process.stdin.flush()
    assert client.python_answer(process) == 0
    waited = waited_s(netext.process.pid) - before
    waited += waited_s(netext.flowd_pid())
    flow = netext.flow(remote_port=80)
    assert flow["reason"] == "provider"
    assert (flow["decided_ns"] - killed_ns) / 1e9 - waited < 1


def test_a_flowd_that_does_nothing_is_replaced(netext, scripted, client, server):
    """Stopped, within a second, or frozen, which nobody is told: who waits for it is decided by the next one."""
    scripted("80 allow", fail_policy="closed")
    before, flowd = waited_s(netext.process.pid), netext.flowd_pid()
    netext.kill(flowd, signal.SIGSTOP)
    stopped_ns = time.time_ns()
    assert client.tcp(80, client.lab.SERVER, "-t", "10000").error is None
    waited = waited_s(netext.process.pid) - before + waited_s(netext.flowd_pid())
    flow = netext.flow(remote_port=80)
    assert flow["reason"] == "provider" and netext.status()["flowd_restarts"] == 1
    assert (flow["decided_ns"] - stopped_ns) / 1e9 - waited < 1
    assert f"netext-flowd (pid {flowd}) is stopped: it is killed" in netext.messages()
    with netext.frozen_flowd() as flowd:
        answer = client.tcp(80, client.lab.SERVER, "-t", "15000")
    assert answer.error is None and netext.flow(local_port=answer.local_port)["reason"] == "provider"
    assert netext.status()["flowd_restarts"] == 2
    assert f"netext-flowd (pid {flowd}) does not answer while packets wait: it is killed" in netext.messages()


@pytest.mark.kernel
def test_a_flow_that_waits_is_asked_about_again(netext, scripted, client, server, lab):
    scripted("80 wait allow")
    process = client.start("tcp", lab.SERVER, 80, "-t", "10000")
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    netext.restart_flowd()
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not asked about again")
    scripted.rewrite("80 allow")
    answer = client.answer(process)
    assert (answer.answers, answer.error) == (1, None)
    assert netext.flow(remote_port=80)["reason"] == "provider"


@pytest.mark.kernel
def test_rules_hold_while_flowd_is_gone(netext, firewall, client, server):
    firewall("deny port 80", "default allow", fail_policy="closed")
    pid = netext.kill_flowd()
    for _ in range(20):
        assert client.tcp(80).error in ("EPERM", "ECONNREFUSED", "ETIMEDOUT")
    netext.wait_for_another_flowd(pid)
    netext.wait_for_session("firewall", "running")
    assert client.tcp(80).error == "EPERM"
    assert server.seen == []


def test_nothing_is_there_twice(netext, scripted, client, server, lab):
    scripted("80 allow")
    before = snapshot.of_namespace(lab.client), snapshot.of_cgroup(lab.cgroup)
    for _ in range(3):
        netext.restart_flowd()
        assert client.tcp(80).error is None
    assert (snapshot.of_namespace(lab.client), snapshot.of_cgroup(lab.cgroup)) == before
    assert netext.status()["flowd_restarts"] == 3


def test_no_flow_gets_the_number_of_an_earlier_one(netext, scripted, client, server):
    """Also not one that an earlier flowd gave."""
    scripted("80 allow")
    client.tcp(80)
    before = netext.flow(remote_port=80)["flow"]
    netext.restart_flowd()
    client.tcp(80)
    after = netext.flow(remote_port=80)["flow"]
    assert after > before
    assert netext.ctl("flow", "explain", after)["flow"] == after


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def program_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text("ascii").strip()


def test_an_instance_ends_in_order_with_a_flowd_that_takes_its_time(netext, scripted, client, server):
    """It was killed, and the next one is slow to start when the instance ends: what was set up goes all the same."""
    scripted("80 allow")
    netextd, flowd, extension = netext.process.pid, netext.flowd_pid(), netext.extension_pid("scripted")
    netext.kill(flowd)
    late, = wait_until(lambda: [child for child in children(netextd)
                                if child not in (flowd, extension) and program_of(child) == "netext-flowd"],
                       "flowd was not started again")
    os.kill(late, signal.SIGSTOP)
    netext.owner.close()
    time.sleep(7)
    is_waited_for = netext.process.poll() is None and late in children(netextd)
    os.kill(late, signal.SIGCONT)  # before anything can fail: nobody ends one that is stopped
    assert is_waited_for and netext.process.wait(30) == 0
