# SPDX-License-Identifier: Apache-2.0
"""flowd dies: traffic goes on within a second, and no rule is there twice."""
import time

from harness import snapshot
from harness.wait import wait_until


def kill_flowd(netext):
    pid = netext.flowd_pid()
    netext.kill(pid)
    return pid


def wait_for_another(netext, pid):
    wait_until(lambda: netext.flowd_pid() not in (0, pid), "flowd was not started again")


def test_allowed_flows_go_on(netext, scripted, client, server, lab):
    scripted("80 allow")
    process = client.start("tcp", lab.SERVER, 80, "-n", "50")
    netext.flow(remote_port=80)
    kill_flowd(netext)
    answer = client.answer(process)
    assert (answer.answers, answer.error) == (50, None)


def test_new_flows_are_decided_within_a_second(netext, scripted, client, server):
    scripted("80 allow", "81 refuse", fail_policy="closed")
    kill_flowd(netext)
    started = time.monotonic()
    wait_until(lambda: client.tcp(80, "198.18.0.2", "-t", "300").error is None, "nothing passed")
    assert time.monotonic() - started < 1
    assert client.tcp(81).error == "ECONNREFUSED"


def test_a_flow_that_waits_is_asked_about_again(netext, scripted, client, server, lab):
    scripted("80 pause 500 allow")
    process = client.start("tcp", lab.SERVER, 80)
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    wait_for_another(netext, kill_flowd(netext))
    answer = client.answer(process)
    assert (answer.answers, answer.error) == (1, None)


def test_rules_hold_while_flowd_is_gone(netext, firewall, client, server):
    firewall("deny port 80", "default allow", fail_policy="closed")
    pid = kill_flowd(netext)
    for _ in range(20):
        assert client.tcp(80).error in ("EPERM", "ECONNREFUSED", "ETIMEDOUT")
    wait_for_another(netext, pid)
    assert client.tcp(80).error == "EPERM"
    assert server.seen == []


def test_nothing_is_there_twice(netext, scripted, client, server, lab):
    scripted("80 allow")
    before = snapshot.of_namespace(lab.client), snapshot.of_cgroup(lab.cgroup)
    for _ in range(3):
        wait_for_another(netext, kill_flowd(netext))
        wait_until(lambda: client.tcp(80).error is None, "nothing passed")
    netext.wait_for_session("scripted", "running")
    assert (snapshot.of_namespace(lab.client), snapshot.of_cgroup(lab.cgroup)) == before
    assert netext.status()["flowd_restarts"] == 3


def test_no_flow_gets_the_number_of_an_earlier_one(netext, scripted, client, server):
    """Also not one that an earlier flowd gave."""
    scripted("80 allow")
    client.tcp(80)
    before = netext.flow(remote_port=80)["flow"]
    wait_for_another(netext, kill_flowd(netext))
    netext.wait_for_session("scripted", "running")
    client.tcp(80)
    after = netext.flow(remote_port=80)["flow"]
    assert after > before
    assert netext.ctl("flow", "explain", after)["flow"] == after
