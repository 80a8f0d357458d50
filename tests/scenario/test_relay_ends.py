# SPDX-License-Identifier: Apache-2.0
"""The bundled relay: handshakes end with whoever they are for, and carried flows need no relay."""
import pytest

from harness.lab import Lab
from harness.wait import wait_until


@pytest.fixture
def held(relay, client, silent):
    """A program whose connection waits for an upstream that never answers."""
    relay(f"upstream office socks5 {Lab.SERVER}:1080", "timeout 60", "via office port 80")
    process = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
    wait_until(lambda: len(silent.came) == 1, "the relay did not come to its upstream")
    return process


def test_a_program_that_goes_away_ends_its_handshake(lab, held, silent):
    lab.client.stop(held)
    wait_until(lambda: len(silent.results) == 1, "the handshake went on")


def test_a_stopped_session_ends_its_handshakes(netext, held, silent):
    netext.stop_session("relay")
    wait_until(lambda: len(silent.results) == 1, "the handshake went on")


def test_a_killed_flowd_ends_handshakes_and_the_relay_goes_on(netext, held, silent, client, serve):
    serve(81)
    netext.kill(netext.flowd_pid())
    wait_until(lambda: len(silent.results) == 1, "the handshake went on")
    wait_until(lambda: client.tcp(80, Lab.SERVER, "-t", "100") and len(silent.came) > 1,
               "the relay did not go on")
    assert client.tcp(81).error is None


@pytest.mark.parametrize("kind", ("socks5", "connect"))
def test_carried_flows_outlive_the_relay(netext, relay, client, server, upstream, kind):
    proxy = upstream(kind)
    relay(proxy.line("office"), "via office port 80")
    talking = client.start("tcp", Lab.SERVER, 80, "-n", "30", "-i", "50")
    wait_until(lambda: proxy.reached(80) == 1, "the connection did not go through the upstream")
    netext.restart_extension("relay")
    assert client.tcp(80).error is None and proxy.reached(80) == 2
    assert client.answer(talking).answers == 30
