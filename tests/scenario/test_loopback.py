# SPDX-License-Identifier: Apache-2.0
"""Traffic of a host with itself is decided only where the rules include it."""
import pytest

ADDRESSES = ("127.0.0.1", "::1", "198.18.0.1")  # the last: its own address on the wire


@pytest.mark.parametrize("setting", [(), ("loopback exclude",)])
def test_loopback_is_left_alone(netext, firewall, client, serve, lab, setting):
    serve(80, lab.client)
    firewall(*setting, "default deny")
    for address in ADDRESSES:
        assert client.tcp(80, address).error is None
        assert client.udp(80, address).error is None
    assert client.tcp(80).error == "EPERM"


def test_loopback_can_be_included(netext, firewall, client, serve, lab):
    serve(80, lab.client)
    firewall("loopback include", "default deny")
    for address in ADDRESSES:
        assert client.tcp(80, address).error == "EPERM"
        assert client.udp(80, address).error == "EPERM"
