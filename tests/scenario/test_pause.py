# SPDX-License-Identifier: Apache-2.0
"""A provider that needs time pauses a flow and answers later; nobody else waits for it."""
import pytest

from harness.wait import wait_until


@pytest.mark.parametrize("verdict, error", [("allow", None), ("refuse", "ECONNREFUSED")])
def test_a_paused_flow_waits_for_its_answer(netext, scripted, client, server, verdict, error):
    scripted(f"80 pause 400 {verdict}", verdict_timeout=100, fail_policy="open")
    answer = client.tcp(80)
    assert answer.error == error and 390 < answer.ms < 2500
    flow = netext.flow(remote_port=80)
    assert (flow["verdict"], flow["reason"]) == (verdict, "provider")


def test_a_paused_flow_holds_up_nobody(netext, scripted, client, server, lab):
    scripted("80 allow", "81 pause 1500 refuse")
    paused = client.start("tcp", lab.SERVER, 81)
    wait_until(lambda: netext.flows(remote_port=81, state="held"), "the flow was not held")
    for _ in range(10):
        assert client.tcp(80).ms < 500
    assert client.answer(paused).ms > 1400


def test_many_paused_flows(netext, scripted, client, server, lab):
    scripted("80 pause 600 allow")
    processes = [client.start("udp", lab.SERVER, 80) for _ in range(32)]
    assert [client.answer(process).error for process in processes] == [None] * 32
    assert len(netext.flows(remote_port=80, verdict="allow", reason="provider")) == 32


def test_a_paused_flow_outlives_its_program(netext, scripted, client, server, lab):
    scripted("80 pause 800 allow")
    process = client.start("tcp", lab.SERVER, 80)
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    process.kill()
    process.wait()
    assert netext.flow(remote_port=80)["pid"] == process.pid


def test_stopping_the_session_answers_paused_flows(netext, scripted, client, server, lab):
    scripted("80 pause 60000 refuse")
    process = client.start("tcp", lab.SERVER, 80, "-t", "5000")
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    netext.stop_session("scripted")
    assert client.answer(process).error is None
