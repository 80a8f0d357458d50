# SPDX-License-Identifier: Apache-2.0
"""A chain as long as it gets: every session has a say, its place, and its life."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.paths import PROGRAMS
from harness.wait import wait_until

SESSIONS_MAX = 64


@pytest.fixture
def full(netext, rules):
    """An instance with all the sessions that it can have, started at the same time."""
    script = rules("80 allow", name="script")

    def start(number):
        netext.start_session(PROGRAMS / "scripted", "--name", f"filter-{number}", "--file", f"script={script}",
                             "--order", SESSIONS_MAX - number)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(start, range(SESSIONS_MAX)))
    return netext


def test_twelve_sessions_stand_in_order(netext, scripted, client):
    numbers = [5, 11, 0, 8, 3, 10, 1, 9, 2, 7, 4, 6]
    for number in numbers:
        scripted(f"{100 + number} refuse", "* allow", name=f"filter-{number}", order=number)
    assert [place["session"] for place in netext.ctl("chain")] == [f"filter-{number}" for number in sorted(numbers)]
    assert [client.tcp(100 + number).error for number in numbers] == ["ECONNREFUSED"] * 12
    for number in numbers:
        assert netext.flow(remote_port=100 + number)["decided_by"] == f"filter-{number}"


def test_the_last_of_thirty_proxies_behind_eight_filters_has_its_say(netext, scripted, proxy, client, server):
    for number in range(30):
        proxy("80 claim" if number == 29 else "80 decline", name=f"proxy-{number}", order=number)
    for number in range(8):
        scripted("* allow", name=f"filter-{number}", order=number)
    kinds = [place["kind"] for place in netext.ctl("chain")]
    assert kinds == ["filter"] * 8 + ["transparent-proxy"] * 30
    assert client.tcp(80).error is None
    flow = netext.flow(remote_port=80)
    assert (flow["verdict"], flow["decided_by"]) == ("claim", "proxy-29")


def test_a_full_chain_is_in_order_and_takes_no_more(full, client, server):
    names = [f"filter-{number}" for number in reversed(range(SESSIONS_MAX))]
    assert [place["session"] for place in full.ctl("chain")] == names
    assert len({session["uid"] for session in full.sessions()}) == SESSIONS_MAX
    assert client.tcp(80).error is None
    assert "64 sessions are there already" in full.run_ctl("session", "start", "firewall").stderr
    full.stop_session("filter-7")
    full.start_session("hello-filter")


def test_a_full_chain_survives_each_daemon(full, client, server):
    before = {session["name"]: session["pid"] for session in full.sessions()}
    flowd = full.flowd_pid()
    full.kill(flowd)
    wait_until(lambda: full.status().get("flowd_pid") not in (None, flowd), "there was no other flowd")
    assert {name: full.wait_for_session(name, "running")["pid"] for name in before} == before
    full.kill_netextd()
    full.restart_netextd()
    assert {name: full.wait_for_session(name, "running")["pid"] for name in before} == before
    assert client.tcp(80).error is None
