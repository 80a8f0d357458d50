# SPDX-License-Identifier: Apache-2.0
"""Proxies behind each other: who carries a flow on says so, and it goes on behind that proxy."""
import json

from harness.lab import Lab


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
