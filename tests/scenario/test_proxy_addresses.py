# SPDX-License-Identifier: Apache-2.0
"""No address changes: neither those that the program sees, nor those that the proxy sees."""
import pytest

from harness.lab import Lab
from harness.wait import wait_until

TALK = """
    server = address, remote_port
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, kind)
    connection.settimeout(5)
    connection.bind((source, 0))
    before = connection.getsockname()
    connection.connect(server)
    connection.send(b"hello")
    word = connection.recv(100).decode()
    after = connection.getsockname()
    answer = word, before[:2] == after[:2], connection.getpeername()[:2], after[1]
"""
KINDS = {"tcp": 1, "udp": 2}
# (address, where the program binds): the server's, the client's own, and loopback.
ENDS = [(Lab.SERVER, Lab.CLIENT), (Lab.SERVER6, Lab.CLIENT6), (Lab.CLIENT, Lab.CLIENT),
        (Lab.CLIENT6, Lab.CLIENT6), ("127.0.0.1", "127.0.0.1"), ("::1", "::1")]


@pytest.mark.parametrize("protocol", KINDS)
@pytest.mark.parametrize("how", ("claim", "echo"))
def test_both_ends_see_the_real_ones(netext, proxy, client, serve, lab, protocol, how):
    proxy("say yes", f"80 {how}")
    serve(80), serve(80, lab.client)
    assert_ends_are_real(netext, client, protocol)


@pytest.mark.kernel
def test_a_filter_in_between_changes_none(netext, inspecting, proxy, client, serve, lab):
    """Also for an extension that looks whom a datagram is from, and answers there."""
    inspecting("80 watch", "81 watch")
    proxy("say yes", "80 claim", "81 once")
    serve(80), serve(80, lab.client)
    for protocol in KINDS:
        assert_ends_are_real(netext, client, protocol)
    for address, source in ENDS:
        *_, port = client.python(TALK, address=address, remote_port=81, source=source, kind=KINDS["udp"])
        wait_until(lambda port=port, source=source: f"heard: {source} {port}" in netext.messages(),
                   lambda: netext.session("scripted-proxy"))


def assert_ends_are_real(netext, client, protocol):
    for address, source in ENDS:
        word, is_unchanged, peer, port = client.python(TALK, address=address, remote_port=80, source=source,
                                                          kind=KINDS[protocol])
        assert (word, is_unchanged, peer) == ("hello", True, [address, 80])
        flow = netext.flow(local_port=port, remote_address=address)
        assert (flow["verdict"], flow["local_address"]) == ("claim", source)
        wait_until(lambda: f"opened: {source} {port} to {address} 80" in netext.messages(),
                   lambda: f"the proxy saw other ends: {netext.session('scripted-proxy')}")


def test_a_server_that_shares_nothing_keeps_its_datagrams(netext, proxy, client, lab):
    """A server at home that did not say SO_REUSEADDR: its address is its own, so the flow goes past the proxy."""
    home = lab.client.socket(2, 2)
    home.bind(("127.0.0.1", 80))
    home.settimeout(5)
    proxy("80 claim", fail_policy="open")
    process = client.start("udp-connected", "127.0.0.1", 80)
    word, peer = home.recvfrom(100)
    home.sendto(word, peer)
    assert client.answer(process).error is None
    assert netext.flow(remote_port=80)["reason"] == "table-full"
    home.close()
