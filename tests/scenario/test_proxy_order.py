# SPDX-License-Identifier: Apache-2.0
"""Every session is asked in the configured order, and a claim ends the walk (D06, D07, B5)."""
import itertools
import re

import pytest

from harness.wait import wait_until


LETTERS = ("a", "b", "c")


def check_asked(netext, answer, expected):
    """Whom the flow met, by the time that they say: their words come by ways of their own, and later."""

    def said():
        return re.findall(rf"asked (\S+) about {answer.local_port} at (\d+)", netext.messages())

    wait_until(lambda: len(said()) >= len(expected), netext.messages)
    assert [name for name, _ in sorted(said(), key=lambda one: int(one[1]))] == expected


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))), ids=str)
def test_three_proxies_are_asked_in_their_order(netext, proxy, client, server, order):
    for name, number in zip(LETTERS, order):
        proxy("say yes", "80 splice" if number == 3 else "80 decline", name=name, order=number)
    configured = [name for _, name in sorted(zip(order, LETTERS))]
    assert [place["session"] for place in netext.ctl("chain")] == configured
    answer = client.tcp(80)
    assert answer.error is None
    check_asked(netext, answer, configured)
    assert netext.flow(local_port=answer.local_port)["decided_by"] == configured[-1]


def test_a_claim_ends_the_walk(netext, proxy, client, server):
    for number, what in enumerate(("decline", "claim", "claim")):
        proxy("say yes", f"80 {what}", name=LETTERS[number])
    answer = client.tcp(80)
    assert answer.error is None
    check_asked(netext, answer, ["a", "b"])


def test_filters_come_before_transparent_proxies_before_app_proxies(netext, proxy, scripted, client, server):
    proxy("say yes", "80 splice", name="last", kind="app-proxy", order=-3)
    proxy("say yes", "80 decline", name="middle", order=-2)
    scripted("say yes", "80 allow", name="first", order=5)
    answer = client.tcp(80)
    assert answer.error is None
    check_asked(netext, answer, ["first", "middle", "last"])


def test_a_filter_that_refuses_is_never_overruled(netext, proxy, scripted, client, server):
    proxy("say yes", "80 splice", name="last")
    scripted("say yes", "80 refuse", name="first")
    answer = client.tcp(80)
    assert answer.error == "ECONNREFUSED"
    check_asked(netext, answer, ["first"])
    assert server.seen == []


def test_eight_filters_and_thirty_proxies(netext, scripted, proxy, client, server):
    filters = [f"f{number:02}" for number in range(8)]
    proxies = [f"p{number:02}" for number in range(30)]
    for name in reversed(proxies):
        proxy("say yes", "80 splice" if name == "p29" else "80 decline", name=name, order=int(name[1:]))
    for name in filters:
        scripted("say yes", "80 allow", name=name)
    assert [place["session"] for place in netext.ctl("chain")] == filters + proxies
    answer = client.tcp(80)
    assert answer.error is None
    check_asked(netext, answer, filters + proxies)
    assert netext.flow(local_port=answer.local_port)["decided_by"] == "p29"
