# SPDX-License-Identifier: Apache-2.0
"""A flow is carried on through a tunnel of this host, and by no other way (B8)."""
import contextlib
import fcntl
import os
import select
import struct

import pytest

from harness.lab import Lab
from harness.wait import wait_until

TUNSETIFF, TUNSETPERSIST = 0x400454ca, 0x400454cb
IFF_TUN, IFF_NO_PI = 1, 0x1000
TCP = 6


@pytest.fixture
def netext(tunnel, instances):
    return instances()


@contextlib.contextmanager
def tun_device(lab, name):
    """The program's end of a TUN device of the client's, which is there for as long as the block runs."""
    tun = lab.client.inside(lambda: os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    fcntl.ioctl(tun, TUNSETPERSIST, 1)
    lab.client.run(["ip", "-batch", "-"], input=f"""
        link set {name} addrgenmode none
        address add 198.19.1.1/24 dev {name}
        link set {name} up
    """)
    try:
        yield tun
    finally:
        lab.client.run(["ip", "link", "delete", name])


def test_a_flow_goes_through_a_tunnel_and_no_other_way(netext, tunnel, proxy, client, server, serve):
    """Past the other proxies, and also when the tunnel goes down meanwhile; the record says which way it went."""
    serve(81)
    tunnel.count(80, 81)
    proxy("80 splice", "81 claim", "attach tunnel tunnel0", name="first", order=1)
    proxy("80 refuse", "81 refuse", name="second", order=2)
    for address in (Lab.SERVER, Lab.SERVER6):
        for protocol, port in (("tcp", 80), ("udp", 81)):
            answer = client.talk(protocol, address, port, "-n", "2", "-i", "5")
            assert (answer.error, answer.answers) == (None, 2), (protocol, address)
            carried = netext.flow(origin_flow=netext.flow(pid=answer.pid)["flow"])
            assert (carried["verdict"], carried["reason"], carried["interface"]) == ("allow", "direct", "tunnel0")
    told = netext.run_ctl("flow", "explain", carried["flow"]).stdout
    assert "through   tunnel0" in told and "verdict   allow, direct, through tunnel0" in told
    came = tunnel.came_by("tunnel0")
    talks = [client.start(protocol, Lab.SERVER, port, "-n", "100", "-i", "50", "-t", "500")
             for protocol, port in (("tcp", 80), ("udp", 81))]
    wait_until(lambda: tunnel.came_by("tunnel0") > came + 10, "they do not talk")
    tunnel.down()
    assert max(client.answer(talk).answers for talk in talks) < 100
    tunnel.up()
    assert tunnel.came_by("veth0") == 0


def test_where_there_is_no_way_into_a_tunnel_there_is_none(netext, tunnel, proxy, client, server, lab):
    """No tunnel, one that is down or gone, a socket that has another way already: nothing goes direct instead."""

    def is_refused(way, complaint):
        proxy.rewrite("80 splice", f"attach tunnel {way}")
        said = netext.messages().count(complaint)
        wait_until(lambda: client.tcp(80).error == "ECONNREFUSED" and netext.messages().count(complaint) > said,
                   lambda: f"{way}: {netext.messages()}")

    tunnel.count(80)
    proxy("80 splice", "attach tunnel tun0")
    is_refused("veth0", "attach: Invalid argument")
    is_refused("tunnel0 bound", "attach: Device or resource busy")
    is_refused("tunnel0 mptcp", "attach: Protocol not supported")
    is_refused("tunnel0 direct", "attach: Device or resource busy")
    tunnel.down()
    is_refused("tunnel0", "attach: Network is down")
    is_refused("tun0", "attach: No such file or directory")
    tunnel.up()
    with tun_device(lab, "tun0") as tun:
        process = client.start("tcp", Lab.SERVER, 80, "-t", "9000")
        assert select.select([tun], [], [], 5)[0], netext.messages()
        packet = os.read(tun, 2000)
        assert (packet[9], packet[12:16], packet[16:20]) == (TCP, bytes((198, 19, 1, 1)), bytes((198, 18, 0, 2)))
        lab.client.stop(process)
        os.close(tun)
        is_refused("tun0", "attach: Network is down")
    is_refused("tun0", "attach: No such file or directory")
    assert server.seen == []
    assert tunnel.came_by("tunnel0") == tunnel.came_by("veth0") == 0


def test_a_filter_that_comes_later_cannot_look_into_a_tunnel(netext, tunnel, proxy, inspecting, client, server):
    """Its fail policy decides; the bytes do not go another way for it."""
    tunnel.count(80)
    proxy("80 wait", "attach tunnel tunnel0", name="first")
    process = client.start("tcp", Lab.SERVER, 80, "-t", "10000")
    wait_until(lambda: netext.flows(remote_port=80), "the flow did not come to the proxy")
    inspecting("80 watch", name="late", fail_policy="open")
    proxy.rewrite("80 splice", "attach tunnel tunnel0", name="first")
    assert client.answer(process).error is None
    carried = netext.flow(remote_port=80, interface="tunnel0")
    assert (carried["verdict"], carried["decided_by"], carried["reason"]) == ("allow", "late", "not-inspectable")
    assert tunnel.came_by("tunnel0") > 0 and tunnel.came_by("veth0") == 0


def test_the_relay_sends_flows_through_a_tunnel(netext, tunnel, relay, client, server):
    tunnel.count(80)
    relay("upstream vpn tunnel tunnel0", "upstream wrong tunnel veth0", "upstream gone tunnel tun0",
          "via wrong to 198.18.0.2/32 port 81", "via gone port 82", "default via vpn")
    for address in (Lab.SERVER, Lab.SERVER6):
        answer = client.tcp(80, address, "-n", "2", "-i", "5")
        assert (answer.error, answer.answers) == (None, 2), address
        assert netext.flow(origin_flow=netext.flow(pid=answer.pid)["flow"])["interface"] == "tunnel0"
    tunnel.down()
    assert [client.tcp(port).error for port in (80, 81, 82)] == ["ENETUNREACH"] * 3
    for complaint in ("vpn names a tunnel that is down", "wrong names an interface that is no tunnel",
                      "gone names an interface that is not there"):
        wait_until(lambda: f"upstream {complaint}" in netext.messages(), netext.messages)
    tunnel.up()
    wait_until(lambda: client.tcp(80).error is None and "vpn works again" in netext.message("relay"), "not settled")
    assert tunnel.came_by("tunnel0") > 4 and tunnel.came_by("veth0") == 0
