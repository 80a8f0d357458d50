# SPDX-License-Identifier: Apache-2.0
"""A provider that needs time pauses a flow and answers later; nobody else waits for it."""
import signal

import pytest

from harness.lab import Lab
from harness.wait import wait_until


@pytest.mark.parametrize("verdict, error", [("allow", None), ("refuse", "ECONNREFUSED")])
def test_a_paused_flow_waits_for_its_answer(netext, scripted, client, server, verdict, error):
    scripted(f"80 pause 1500 {verdict}", verdict_timeout=1000, fail_policy="open")
    answer = client.tcp(80, Lab.SERVER, "-t", "10000")
    assert answer.error == error and 1490 < answer.ms < 4000
    flow = netext.flow(remote_port=80)
    assert (flow["verdict"], flow["reason"]) == (verdict, "provider")


def test_a_paused_flow_holds_up_nobody(netext, scripted, client, server, lab):
    scripted("80 allow", "81 wait refuse")
    paused = client.start("tcp", lab.SERVER, 81, "-t", "20000")
    wait_until(lambda: netext.flows(remote_port=81, state="held"), "the flow was not held")
    for _ in range(10):
        assert client.tcp(80).ms < 500
    assert netext.flows(remote_port=81, state="held")
    scripted.rewrite("80 allow")
    assert client.answer(paused).error == "ECONNREFUSED"


def test_many_paused_flows(netext, scripted, client, server, lab):
    scripted("80 wait allow")
    processes = [client.start("udp", lab.SERVER, 80, "-t", "20000") for _ in range(32)]
    wait_until(lambda: len(netext.flows(remote_port=80, state="held")) == 32, "not all are held")
    scripted.rewrite("80 allow")
    assert [client.answer(process).error for process in processes] == [None] * 32
    assert len(netext.flows(remote_port=80, verdict="allow", reason="provider")) == 32


def test_a_paused_connection_is_over_with_its_program(netext, scripted, client, server, lab):
    """B20: whoever paused it is told, and what it says all the same changes nothing."""
    scripted("80 wait allow")
    process = client.start("tcp", lab.SERVER, 80, "-t", "10000")
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    process.kill()
    process.wait()
    wait_until(lambda: netext.flows(state="closed"), "the flow lingers")
    flow = netext.flow(remote_port=80)
    assert (flow["pid"], flow["verdict"], flow["reason"], flow["decided_by"]) == (
        process.pid, "drop", "program-gone", "scripted")
    wait_until(lambda: f"scripted need not answer about {flow['flow']}\n" in netext.messages(), "nobody told the filter")
    scripted.rewrite("80 allow")
    assert client.tcp(80).error is None and len(server.seen) == 1


def test_the_pause_of_who_left_before_it(netext, scripted, client, server, lab):
    """The filter says that it takes time when the program is gone already."""
    scripted("80 wait allow", verdict_timeout=10000)
    pid = netext.extension_pid("scripted")
    netext.kill(pid, signal.SIGSTOP)
    process = client.start("tcp", lab.SERVER, 80, "-t", "10000")
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    process.kill()
    process.wait()
    netext.kill(pid, signal.SIGCONT)
    wait_until(lambda: netext.flows(state="closed", reason="program-gone"), "the flow lingers")


def test_a_paused_datagram_outlives_its_program(netext, scripted, client, server, lab):
    scripted("80 wait allow")
    process = client.start("udp", lab.SERVER, 80, "-t", "10000")
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    process.kill()
    process.wait()
    scripted.rewrite("80 allow")
    wait_until(lambda: server.seen, "the datagram is lost")
    assert netext.flow(remote_port=80)["pid"] == process.pid


def test_stopping_the_session_answers_paused_flows(netext, scripted, client, server, lab):
    scripted("80 pause 60000 refuse")
    process = client.start("tcp", lab.SERVER, 80, "-t", "5000")
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    netext.stop_session("scripted")
    assert client.answer(process).error is None
