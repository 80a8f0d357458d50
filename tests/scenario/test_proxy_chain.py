# SPDX-License-Identifier: Apache-2.0
"""Proxies behind each other: who carries a flow on says so, and it goes on behind that proxy."""
import pytest

from harness.lab import Lab
from harness.paths import CGROUP2, PROGRAMS


def flows_to(netext, port):
    return [flow for flow in netext.ctl("flow", "list") if flow.get("remote_port") == port]


def test_a_flow_that_is_carried_on_comes_to_the_next_proxy(netext, proxy, client, server):
    """Origin is the program, last hop the extension; no proxy meets the flow twice."""
    proxy("80 splice", "attach yes", name="first", order=1)
    proxy("80 splice", "attach yes", name="second", order=2)
    answer = client.tcp(80, Lab.SERVER, "-n", "2", "-i", "5")
    assert (answer.error, answer.answers) == (None, 2)
    own, carried, last = flows_to(netext, 80)
    assert (own["pid"], own["decided_by"], own["verdict"]) == (answer.pid, "first", "claim")
    assert "origin_flow" not in own
    assert (carried["decided_by"], carried["verdict"]) == ("second", "claim")
    assert carried["program"].endswith("/scripted-proxy")
    assert (last["verdict"], last["reason"]) == ("allow", "carried")
    for flow in (carried, last):
        assert flow["origin_flow"] == own["flow"]
        assert (flow["origin_pid"], flow["origin_program"]) == (answer.pid, own["program"])


def test_a_datagram_flow_that_is_carried_on_comes_to_the_next_proxy(netext, proxy, client, server):
    proxy("80 claim", "attach yes", name="first", order=1)
    proxy("80 claim", "attach yes", name="second", order=2)
    answer = client.udp(80, Lab.SERVER, "-n", "2", "-i", "5")
    assert (answer.error, answer.answers) == (None, 2)
    own, carried, last = flows_to(netext, 80)
    assert [own["decided_by"], carried["decided_by"], last["reason"]] == ["first", "second", "carried"]
    assert carried["origin_flow"] == last["origin_flow"] == own["flow"]


@pytest.mark.xdist_group("root-cgroup")
def test_proxies_that_feed_each_other_are_found_out(instances, rules, client, server):
    """Neither says whose flows it carries on, so each takes the other's connections."""
    netext = instances(cgroup=str(CGROUP2))
    for name in ("first", "second"):
        script = rules("80 splice", name=name)
        netext.start_session(PROGRAMS / "scripted-proxy", "--kind", "transparent-proxy",
                             "--name", name, "--file", f"script={script}")
    answer = client.tcp(80, Lab.SERVER, "-t", "3000")
    assert answer.error == "ECONNREFUSED" and answer.ms < 1000
    flows = flows_to(netext, 80)
    assert "loop" in [flow["reason"] for flow in flows]
    assert len(flows) < 100
    assert "go round through the proxies first, second" in netext.messages()


def test_a_flow_is_carried_on_only_by_who_was_asked_about_it(netext, proxy, client, server):
    proxy("80 splice", "attach 7777", name="forger", order=1)
    proxy("80 splice", "attach yes", name="second", order=2)
    answer = client.tcp(80, Lab.SERVER)
    assert answer.error is None
    assert netext.status()["attaches_refused"] == 1
    assert [flow["decided_by"] for flow in flows_to(netext, 80)] == ["forger"]
