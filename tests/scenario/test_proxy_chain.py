# SPDX-License-Identifier: Apache-2.0
"""Proxies behind each other: who carries a flow on says so, and it goes on behind that proxy (D05, R-33, B8, B9)."""
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.client import TALK
from harness.lab import Lab
from harness.paths import CGROUP2, PROGRAMS
from harness.wait import wait_until


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


def test_rules_are_about_the_user_of_the_origin(netext, proxy, rules, client, server):
    """However many proxies have carried the flow on: the last one is to leave it alone."""
    proxy("80 splice", "attach yes", name="first", order=1)
    proxy("80 splice", "attach yes", name="second", order=2)
    netext.start_session("relay", "--rules", rules("ignore user 61100", "default direct"), "--order", "3")
    for user, verdict in ((61100, "allow"), (0, "claim")):
        done = client.run("setpriv", "--reuid", user, "--clear-groups", "--", "bash", "-c",
                          "exec 3<>/dev/tcp/198.18.0.2/80; echo hello >&3; head -c 1 <&3")
        assert done.returncode == 0, done.stderr
        own = netext.flow(remote_port=80, uid=user, decided_by="first")
        carried = wait_until(lambda own=own: [flow for flow in flows_to(netext, 80)
                                              if flow.get("origin_flow") == own["flow"]][1:], "not carried on")
        assert carried[0]["verdict"] == verdict, carried


def test_the_relay_decides_by_the_origin(netext, proxy, rules, client, server):
    """What the kernel's half of its rules brought here, its own half has to know again."""
    proxy("80 splice", "attach yes", name="first", order=1)
    digest = "sha256:" + hashlib.sha256(TALK.read_bytes()).hexdigest()
    for rule in (f"direct program {TALK}", f"direct digest {digest}", "direct user 0",
                 f"direct cgroup {client.lab.cgroup.name}"):
        netext.start_session("relay", "--rules", rules(rule), "--order", "2")
        answer = client.tcp(80)
        assert answer.error is None
        own = netext.flow(pid=answer.pid)
        carried = [flow for flow in flows_to(netext, 80) if flow.get("origin_flow") == own["flow"]]
        assert (carried[0]["verdict"], carried[0]["decided_by"]) == ("claim", "relay"), rule
        netext.run_ctl("session", "stop", "relay")


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


def test_a_flow_can_go_direct_past_the_other_proxies(netext, proxy, client, server):
    """Nobody else is asked, and the record still says whose it is and who sent it on."""
    proxy("80 splice", "attach direct", name="first", order=1)
    proxy("80 refuse", name="second", order=2)
    proxy("80 refuse", name="third", kind="app-proxy")
    answer = client.tcp(80, Lab.SERVER, "-n", "2", "-i", "5")
    assert (answer.error, answer.answers) == (None, 2)
    own, direct = flows_to(netext, 80)
    assert (own["decided_by"], own["verdict"]) == ("first", "claim")
    assert (direct["verdict"], direct["reason"]) == ("allow", "direct")
    assert (direct["origin_flow"], direct["origin_pid"]) == (own["flow"], answer.pid)
    assert direct["program"].endswith("/scripted-proxy")
    told = netext.run_ctl("flow", "explain", direct["flow"]).stdout
    assert f"flow {own['flow']} of {own['program']}, process {answer.pid}" in told
    assert "chose to go past all other proxies" in " ".join(told.split())


def test_a_datagram_flow_can_go_direct(netext, proxy, client, server):
    proxy("80 claim", "attach direct", name="first", order=1)
    proxy("80 refuse", name="second", order=2)
    assert client.udp(80, Lab.SERVER).error is None
    own, direct = flows_to(netext, 80)
    assert (own["decided_by"], direct["reason"]) == ("first", "direct")
    assert direct["origin_flow"] == own["flow"]


def test_direct_goes_past_no_filter(netext, proxy, scripted, client, server):
    """One that was not there yet when the program's flow came by decides about what carries it on."""
    proxy("80 wait", "attach direct", name="first", order=1)
    proxy("80 refuse", name="second", order=2)
    process = client.start("tcp", Lab.SERVER, 80, "-t", "10000")
    wait_until(lambda: flows_to(netext, 80), "the flow did not come to the proxy")
    scripted("80 refuse", name="late")
    proxy.rewrite("80 splice", "attach direct", name="first")
    assert client.answer(process).error == "ECONNREFUSED"
    own, direct = flows_to(netext, 80)
    assert (own["reason"], direct["decided_by"], direct["verdict"]) == ("upstream-failed", "late", "refuse")
    assert direct["origin_flow"] == own["flow"]


def test_direct_is_direct_also_where_the_flow_is_judged_again(netext, proxy, scripted, client, server):
    """It waits for a filter that is about to start; then the rules are asked anew."""
    proxy("80 wait", "attach direct", name="first", order=1)
    proxy("80 refuse", name="second", order=2)
    process = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
    wait_until(lambda: flows_to(netext, 80), "the flow did not come to the proxy")
    with ThreadPoolExecutor() as pool:
        started = pool.submit(scripted, "start late", "80 allow", name="late")
        wait_until(lambda: "late" in [place["session"] for place in netext.ctl("chain")], "it is not about to start")
        proxy.rewrite("80 splice", "attach direct", name="first")
        assert client.answer(process).error is None
        started.result()
    own, direct = flows_to(netext, 80)
    assert (direct["decided_by"], direct["verdict"]) == ("late", "allow")
    assert direct["origin_flow"] == own["flow"]
