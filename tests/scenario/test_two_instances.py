# SPDX-License-Identifier: Apache-2.0
"""Two instances in one namespace: each decides for its own cgroup, and neither disturbs the other."""
import pytest

from harness.paths import PROGRAMS


@pytest.fixture
def pair(instances, lab, rules):
    started = []
    for suffix, mask, script in (("a", "0x0f000000", "80 refuse"), ("b", "0xf0000000", "80 allow")):
        cgroup = lab.cgroup.path / suffix
        cgroup.mkdir()
        instance = instances(suffix, cgroup=str(cgroup), arguments=["--mark-mask", mask])
        instance.start_session(PROGRAMS / "scripted", "--file", f"script={rules(script, name=suffix)}")
        started.append(instance)
    return started


def test_each_decides_for_its_own(pair, client, server):
    for protocol in ("tcp", "udp-connected"):
        a, b = [client.talk(protocol, "198.18.0.2", 80, cgroup=one.cgroup) for one in pair]
        assert (a.error, b.error) == ("ECONNREFUSED", None)
        assert pair[0].flow(local_port=a.local_port)["verdict"] == "refuse"
        assert pair[1].flow(local_port=b.local_port)["verdict"] == "allow"
    assert [len(one.flows()) for one in pair] == [2, 2]


def test_one_ends_and_the_other_goes_on(pair, client, server, lab):
    process = lab.client.start([PROGRAMS / "talk", "-n", "50", "tcp", lab.SERVER, 80], cgroup=pair[1].cgroup)
    pair[1].flow(remote_port=80)
    pair[0].kill(pair[0].flowd_pid())
    pair[0].kill_netextd()
    pair[0].restart_netextd()
    assert client.answer(process).answers == 50
    assert client.tcp(80, cgroup=pair[1].cgroup).error is None


def test_a_name_is_taken_once(netext, lab):
    second = lab.client.run(netext.command_line(), check=False, cgroup=lab.cgroup.path.parent, timeout=5)
    assert second.returncode != 0 and netext.name in second.stderr
    assert netext.status()["instance"] == netext.name


def test_marks_that_another_instance_needs_are_refused(netext, lab):
    inner = lab.cgroup.path / "inner"
    inner.mkdir()
    command = [*netext.command_line(), "--instance", f"{netext.name}-in", "--cgroup", inner]
    second = lab.client.run(command, check=False, cgroup=lab.cgroup.path.parent, timeout=5)
    assert second.returncode == 1
    assert netext.name in second.stderr and "--mark-mask" in second.stderr


def test_instances_beside_each_other_may_have_the_same_marks(instances, lab, rules, client, server):
    pair = []
    for suffix in ("a", "b"):
        (lab.cgroup.path / suffix).mkdir()
        instance = instances(suffix, cgroup=str(lab.cgroup.path / suffix))
        instance.start_session("firewall", "--rules", rules("default allow", name=suffix))
        pair.append(instance)
    for instance in pair:
        answer = client.tcp(80, cgroup=instance.cgroup)
        assert answer.error is None
        flow = instance.flow(local_port=answer.local_port)
        assert (flow["owner"], flow["pid"]) == ("program", answer.pid)
    assert [len(one.flows()) for one in pair] == [1, 1]
    assert [one.status()["flows_unattributed"] for one in pair] == [0, 0]
