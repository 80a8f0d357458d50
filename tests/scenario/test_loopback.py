# SPDX-License-Identifier: Apache-2.0
"""Traffic of a host with itself is decided only where the rules include it (R-25, D02, B19)."""
import os
import signal

import pytest

from harness.wait import wait_until

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


@pytest.mark.kernel
@pytest.mark.parametrize("nowhere, here", [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("::ffff:0.0.0.0", "127.0.0.1")])
def test_a_destination_of_zeros_is_judged_as_what_it_is(netext, firewall, client, serve, lab, nowhere, here):
    serve(80, lab.client)
    firewall("loopback include", f"deny to {here}")
    assert client.tcp(80, nowhere).error == "EPERM"
    assert netext.flow(remote_port=80)["remote_address"] == here


@pytest.mark.parametrize("later, marker", [("198.18.0.7", "198.18.0.8"), ("fd00:198:18::7", "fd00:198:18::8")])
def test_own_addresses_come_and_go(netext, firewall, client, serve, lab, later, marker):
    serve(80, lab.client)
    firewall("default deny")
    assert reach(client, later) == "EPERM"
    address(lab, "add", later, "lo")
    address(lab, "add", later, "veth0")
    wait_until(lambda: reach(client, later) is None, "the new address was judged")
    address(lab, "del", later, "lo")
    address(lab, "add", marker, "lo")
    wait_until(lambda: reach(client, marker) is None, "the marker was judged")
    assert reach(client, later) is None  # the other interface has it still
    address(lab, "del", later, "veth0")
    address(lab, "del", marker, "lo")
    wait_until(lambda: reach(client, later) == "EPERM", "the lost address was left alone")
    assert client.tcp(80).error == "EPERM"


def test_an_address_lost_while_flowd_was_gone_is_judged(netext, firewall, client, serve, lab):
    serve(80, lab.client)
    firewall("default deny")
    address(lab, "add", "198.18.0.7", "lo")
    wait_until(lambda: reach(client, "198.18.0.7") is None, "the new address was judged")
    with netext.frozen_flowd() as pid:
        address(lab, "del", "198.18.0.7", "lo")
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: reach(client, "198.18.0.7") == "EPERM", "the lost address was left alone")
    assert client.tcp(80, "198.18.0.1").error is None


def address(lab, what, which, interface):
    prefix, options = (128, ["nodad"]) if ":" in which else (32, [])
    lab.client.run(["ip", "address", what, f"{which}/{prefix}", "dev", interface, *options])


def reach(client, which):
    return client.tcp(80, which, "-t", "300").error
