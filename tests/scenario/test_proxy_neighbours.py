# SPDX-License-Identifier: Apache-2.0
"""Other people's marks, rules, tables and namespaces: a proxy works among them, and leaves them alone."""
import itertools
import re
import socket

import pytest

from harness.lab import Lab
from harness.namespace import Namespace, run
from harness.paths import PROGRAMS
from harness.wait import wait_until

PROXY = "scripted-proxy"
KIND = ("--kind", "transparent-proxy")
TRANSPORTS = [(protocol, address) for protocol in ("tcp", "udp", "udp-connected") for address in (Lab.SERVER, Lab.SERVER6)]

WIREGUARD = """
    ip rule add priority 10 fwmark 0x1 lookup 100
    ip rule add priority 100 not fwmark 0xca6c lookup 101
    ip -6 rule add priority 100 not fwmark 0xca6c lookup 101
"""


def check_claimed(netext, client, *options):
    for protocol, address in TRANSPORTS:
        answer = client.talk(protocol, address, 80, "-n", "3", "-i", "1", "-t", "2000", *options)
        assert (answer.error, answer.answers) == (None, 3), (protocol, address, answer)
        assert netext.flow(local_port=answer.local_port, remote_address=address,
                           protocol=protocol[:3])["verdict"] == "claim"


def foreign_rules(lab):
    """As a VPN's: other marks lead to tables of its own."""
    for line in filter(None, map(str.strip, WIREGUARD.splitlines())):
        lab.client.run(line.split())


@pytest.mark.parametrize("marks", (False, True), ids=("without", "with-marks"))
def test_reverse_path_filters_and_marks_of_others(netext, proxy, client, server, lab, marks):
    """R-29: rp_filter 0, 1, 2 × src_valid_mark 0, 1."""
    if marks:
        foreign_rules(lab)
    proxy("80 claim")
    for strict, valid in itertools.product((0, 1, 2), (0, 1)):
        for device in ("all", "lo", "veth0"):
            lab.client.run(["sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter={strict}",
                            f"net.ipv4.conf.{device}.src_valid_mark={valid}"])
        check_claimed(netext, client)
    if marks:
        for line in filter(None, map(str.strip, WIREGUARD.splitlines())):
            lab.client.run(line.replace(" add ", " del ").split())


def test_a_connection_to_the_listener_itself_is_reset_and_counted(netext, proxy, client, server, lab):
    proxy("80 claim")
    rules = lab.client.run(["nft", "list", "ruleset"]).stdout
    port = max(int(found) for found in re.findall(r"tproxy ip to [0-9.]+:(\d+)", rules))  # 1 is nobody's
    with lab.client.socket(socket.AF_INET, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(5)
        with pytest.raises(ConnectionResetError):
            stranger.connect(("127.0.0.1", port))  # may be told here already, where flowd is quick
            stranger.recv(1)
    assert netext.status()["connections_without_flow"] == 1
    assert client.tcp(80).error is None


FOREIGN = """
    table inet foreign {
        chain out {
            type route hook output priority mangle
            meta mark set %(mark)s
        }
        chain before {
            type filter hook prerouting priority mangle
            iif lo meta mark set %(mark)s
        }
        chain in {
            type filter hook input priority filter; policy drop
            iif lo accept
            ip saddr 198.18.0.2 accept
            ip6 saddr fd00:198:18::2 accept
            meta l4proto ipv6-icmp accept
        }
    }
"""

COUNTS_MARKS = """
    table inet foreign {
        chain out {
            type filter hook output priority 100
            meta mark and 0xff == 0x33 counter
        }
    }
"""


@pytest.mark.parametrize("mark", ("meta mark and 0xff0000ff or 0x1200", "0x1"), ids=("keeps-ours", "overwrites"))
@pytest.mark.parametrize("how", ("claim", "splice"))
def test_another_table_that_marks_everything(netext, proxy, client, server, lab, mark, how):
    lab.client.nft(FOREIGN % {"mark": mark})
    proxy(f"80 {how}")
    for protocol, address in TRANSPORTS if how == "claim" else TRANSPORTS[:2]:
        answer = client.talk(protocol, address, 80, "-n", "3", "-i", "1", "-t", "2000")
        assert (answer.error, answer.answers) == (None, 3), (protocol, address, answer)
    assert {flow["verdict"] for flow in netext.flows()} == {"claim"}
    lab.client.nft("delete table inet foreign")


def test_a_programs_own_mark_stays(netext, proxy, client, server, lab):
    lab.client.nft(COUNTS_MARKS)
    proxy("80 claim")
    check_claimed(netext, client, "-m", "0x33")
    mark = client.python("""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x33)
        connection.connect((address, 80))
        answer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_MARK) & 0x00ffffff
    """, address=Lab.SERVER)
    assert mark == 0x33
    listed = lab.client.run(["nft", "list", "table", "inet", "foreign"]).stdout
    assert "packets 0" not in listed
    lab.client.nft("delete table inet foreign")


def test_marks_on_accepted_sockets(netext, proxy, client, server, lab):
    """Sysctls by which a socket or a reset takes the mark of what it answers."""
    lab.client.sysctl(net__ipv4__tcp_fwmark_accept=1, net__ipv4__fwmark_reflect=1, net__ipv6__fwmark_reflect=1)
    proxy("80 claim")
    check_claimed(netext, client)


@pytest.fixture
def container(lab):
    """A namespace behind the client, which routes for it."""
    inner = Namespace()
    run(["ip", "link", "add", "veth1", "netns", lab.client.path, "type", "veth", "peer", "name", "veth0",
         "netns", inner.path])
    lab.client.run(["ip", "-batch", "-"], input="""address add 198.18.1.1/24 dev veth1
        link set veth1 addrgenmode none
        link set veth1 up
    """)
    lab.client.sysctl(net__ipv4__ip_forward=1)
    inner.run(["ip", "-batch", "-"], input="""link set lo up
        address add 198.18.1.2/24 dev veth0
        link set veth0 addrgenmode none
        link set veth0 up
        route add default via 198.18.1.1
    """)
    lab.server.run(["ip", "route", "add", "198.18.1.0/24", "via", lab.CLIENT])
    yield inner
    lab.client.run(["ip", "link", "delete", "veth1"])
    inner.close()


def test_what_is_forwarded_is_not_touched(lab, container, instances, rules, client, server):
    """R-16, R-30: a container that the client routes for, also where it may be asked about (same cgroup)."""
    netext = instances()
    netext.start_session(PROGRAMS / PROXY, *KIND, "--file", f"script={rules('80 claim')}")
    for cgroup in (str(lab.cgroup), str(lab.cgroup.path.parent)):
        for protocol in ("tcp", "udp", "udp-connected"):
            done = container.run([PROGRAMS / "talk", "-n", "3", "-i", "1", protocol, Lab.SERVER, "80"], cgroup=cgroup)
            assert '"error": null, "answers": 3' in done.stdout
    assert netext.flows() == []
    assert {port for _, port, _ in server.seen} and client.tcp(80).error is None
    assert netext.flow(remote_port=80)["verdict"] == "claim"
    netext.stop()


@pytest.mark.parametrize("masks", (("0x0f000000", "0xf0000000"), ("0x0f000000", "0x0f000000")), ids=("own", "same"))
def test_instances_beside_each_other_have_proxies(instances, lab, rules, client, server, masks):
    pair = []
    for suffix, mask in zip("ab", masks):
        (lab.cgroup.path / suffix).mkdir()
        instance = instances(suffix, cgroup=str(lab.cgroup.path / suffix), arguments=["--mark-mask", mask])
        instance.start_session(PROGRAMS / PROXY, *KIND, "--file", f"script={rules('80 claim', name=suffix)}")
        pair.append(instance)
    for _ in range(2):
        for instance in pair:
            for protocol, address in TRANSPORTS:
                answer = client.talk(protocol, address, 80, "-n", "3", "-i", "1", "-t", "2000", cgroup=instance.cgroup)
                assert (answer.error, answer.answers) == (None, 3), (instance.name, protocol, address, answer)
                assert instance.flow(local_port=answer.local_port, remote_address=address)["verdict"] == "claim"
        pair.reverse()
