# SPDX-License-Identifier: Apache-2.0
"""Other people's marks, rules and sysctls: what comes in is inspected among them, and they stay as they are."""
import itertools

import pytest

from harness.lab import Lab

ADDRESSES = [(Lab.CLIENT, Lab.SERVER), (Lab.CLIENT6, Lab.SERVER6)]

# Whoever overwrites whole marks, where it hurts most: before our chains, and on lo.
FOREIGN = """
    table inet foreign {
        chain out {
            type route hook output priority mangle
            meta l4proto tcp meta mark set %(mark)s
        }
        chain before {
            type filter hook prerouting priority mangle
            meta l4proto tcp meta mark set %(mark)s
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


def check_inspected(netext, server, visit, addresses=ADDRESSES):
    for address, peer in addresses:
        assert visit(80, address) == b"hello", address
        assert server.peer() == ((peer, visit.local_port), (address, 80))
        flow, = netext.flows(local_port=80, remote_port=visit.local_port, remote_address=peer)
        assert (flow["direction"], flow["reason"]) == ("inbound", "provider")


def test_reverse_path_filters(netext, inspecting, service, visit, lab):
    """R-29: rp_filter 0, 1, 2 × src_valid_mark 0, 1."""
    inspecting("inbound ask", "80 watch")
    server = service(80)
    for strict, valid in itertools.product((0, 1, 2), (0, 1)):
        for device in ("all", "lo", "veth0"):
            lab.client.run(["sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter={strict}",
                            f"net.ipv4.conf.{device}.src_valid_mark={valid}"])
        check_inspected(netext, server, visit)


def test_sockets_and_answers_that_take_a_packet_s_mark(netext, inspecting, service, visit, lab):
    lab.client.sysctl(net__ipv4__tcp_fwmark_accept=1, net__ipv4__fwmark_reflect=1, net__ipv6__fwmark_reflect=1)
    inspecting("inbound ask", "* watch")
    check_inspected(netext, service(80), visit)
    for address, _ in ADDRESSES:
        assert visit(81, address) == "ConnectionRefusedError"


@pytest.mark.parametrize("mark,addresses", [("meta mark and 0xff0000ff or 0x1200", ADDRESSES), ("0x1", ADDRESSES[:1])],
                         ids=("keeps-ours", "overwrites"))
def test_another_table_that_marks_everything(netext, inspecting, service, visit, lab, mark, addresses):
    lab.client.nft(FOREIGN % {"mark": mark})
    inspecting("inbound ask", "80 watch")
    check_inspected(netext, service(80), visit, addresses)
    lab.client.run(["nft", "delete", "table", "inet", "foreign"])
