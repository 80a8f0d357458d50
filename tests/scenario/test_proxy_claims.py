# SPDX-License-Identifier: Apache-2.0
"""A proxy takes flows over: the program talks to its destination, and notices nothing."""
import pytest

from harness.client import MAPPED
from harness.lab import Lab

ADDRESSES = (Lab.SERVER, Lab.SERVER6, MAPPED)


@pytest.mark.kernel
@pytest.mark.parametrize("how", ("splice", "claim"))
def test_a_claimed_connection_reaches_its_destination(netext, proxy, client, server, how):
    proxy(f"80 {how}")
    for address in ADDRESSES:
        answer = client.tcp(80, address, "-n", "3", "-i", "5")
        assert (answer.error, answer.answers) == (None, 3), (address, answer)
        flow = netext.flow(local_port=answer.local_port)
        assert (flow["verdict"], flow["decided_by"]) == ("claim", "scripted-proxy")
        assert flow["remote_address"] == address.removeprefix("::ffff:")


@pytest.mark.kernel
@pytest.mark.parametrize("protocol", ("udp", "udp-connected"))
def test_a_claimed_datagram_flow_reaches_its_destination(netext, proxy, client, server, protocol):
    proxy("80 claim")
    for address in ADDRESSES:
        answer = client.talk(protocol, address, 80, "-n", "3", "-i", "5")
        assert (answer.error, answer.answers) == (None, 3), (address, answer)
        flow = netext.flow(local_port=answer.local_port, protocol="udp")
        assert (flow["verdict"], flow["decided_by"]) == ("claim", "scripted-proxy")


@pytest.mark.parametrize("error", ("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"))
def test_the_program_is_told_what_the_upstream_said(netext, proxy, client, error):
    proxy(f"80 fail {error}")
    for address in ADDRESSES:
        answer = client.tcp(80, address, "-t", "2000")
        assert answer.error == error and answer.ms < 500, (address, answer)
        flow = netext.flow(local_port=answer.local_port)
        assert (flow["verdict"], flow["reason"]) == ("refuse", "upstream-failed")


def test_an_upstream_that_refuses_is_a_connection_that_is_refused(netext, proxy, client, lab):
    """Spliced, and the platform finds out itself: nobody listens on that port."""
    proxy("81 splice")
    answer = client.tcp(81, Lab.SERVER, "-t", "2000")
    assert answer.error == "ECONNREFUSED" and answer.ms < 500


def test_an_upstream_that_does_not_answer_is_a_time_out(netext, proxy, client):
    proxy("80 fail ETIMEDOUT")
    assert client.tcp(80, Lab.SERVER, "-t", "700").error == "ETIMEDOUT"


def test_a_declined_flow_goes_direct(netext, proxy, client, server):
    proxy("80 decline")
    answer = client.tcp(80)
    assert answer.error is None
    assert netext.flow(local_port=answer.local_port)["verdict"] == "allow"
    assert [port for _, port, _ in server.seen] == [answer.local_port]


def test_a_flow_that_an_app_proxy_declines_is_refused(netext, proxy, client, server):
    proxy("80 decline", kind="app-proxy")
    answer = client.tcp(80)
    assert answer.error == "ECONNREFUSED"
    flow = netext.flow(local_port=answer.local_port)
    assert (flow["verdict"], flow["reason"]) == ("refuse", "declined")
    assert server.seen == []
