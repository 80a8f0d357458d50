# SPDX-License-Identifier: Apache-2.0
"""A provider that dies or does not answer: the fail policy decides, and the record says so (R-09)."""
import signal

import pytest

from harness.wait import wait_until

POLICIES = ("open", "closed")


def check_fallback(netext, answer, policy, *reasons):
    """The flow went as the policy says, and its record names policy's verdict and the reason."""
    flow = netext.flow(local_port=answer.local_port)
    assert (answer.error is None) == (policy == "open"), answer
    assert flow["verdict"] in {"open": ("allow",), "closed": ("drop", "refuse")}[policy]
    assert flow["reason"] in reasons and flow["decided_by"] == "scripted"


@pytest.mark.parametrize("policy", POLICIES)
def test_no_answer_within_the_verdict_timeout(netext, scripted, client, server, policy):
    scripted("80 sleep 3000 allow", fail_policy=policy, verdict_timeout=200)
    answer = client.tcp(80)
    check_fallback(netext, answer, policy, "verdict-timeout")
    assert answer.ms < 2500


@pytest.mark.parametrize("policy", POLICIES)
def test_a_stopped_extension(netext, scripted, client, server, policy):
    scripted("* allow", fail_policy=policy, verdict_timeout=1000)
    netext.kill(netext.extension_pid("scripted"), signal.SIGSTOP)
    check_fallback(netext, client.tcp(80), policy, "verdict-timeout")
    netext.kill(netext.extension_pid("scripted"), signal.SIGCONT)
    answer = client.tcp(80)
    assert netext.flow(local_port=answer.local_port)["reason"] == "provider"


@pytest.mark.parametrize("policy", POLICIES)
def test_an_extension_that_dies_while_asked(netext, scripted, client, server, policy):
    scripted("80 crash", fail_policy=policy)
    check_fallback(netext, client.tcp(80), policy, "provider-gone", "provider-absent")
    wait_until(lambda: netext.session("scripted")["restarts"] == 1, "its death was not noticed")
    assert "signal 6" in netext.wait_for_session("scripted", "running")["last_exit"]
    answer = client.tcp(81)  # nobody listens there: asked, allowed, refused by the server
    assert netext.flow(local_port=answer.local_port)["reason"] == "provider"


def test_a_killed_extension_is_started_again(netext, scripted, client, server):
    scripted("80 allow")
    session = netext.restart_extension("scripted")
    assert session["restarts"] == 1 and "signal 9" in session["last_exit"]
    answer = client.tcp(80)
    assert answer.error is None
    assert netext.flow(local_port=answer.local_port)["reason"] == "provider"


def test_who_is_not_asked_does_not_wait(netext, scripted, client, server, serve, lab):
    """Name servers' answers pass flowd, also while a provider sleeps."""
    serve(53)
    scripted("53 allow", "80 sleep 2500 allow", verdict_timeout=5000)
    resolving = client.start("udp", lab.SERVER, 53, "-n", "5", "-i", "300")
    wait_until(lambda: netext.flows(remote_port=53, verdict="allow"), "the first query did not pass")
    asked = client.start("tcp", lab.SERVER, 80)
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    answer = client.answer(resolving)
    assert answer.answers == 5 and answer.ms < 2200
    assert netext.flows(remote_port=80, state="held")
    assert client.answer(asked).error is None


def test_allowed_flows_go_on_without_their_provider(netext, scripted, client, server, lab):
    scripted("80 allow", fail_policy="closed")
    process = client.start("tcp", lab.SERVER, 80, "-n", "40")
    netext.flow(remote_port=80)
    netext.kill(netext.extension_pid("scripted"))
    assert client.answer(process).answers == 40
