# SPDX-License-Identifier: Apache-2.0
"""Other people's tables, marks, rules and routes work on as if netext were not there (R-27)."""
import json
import subprocess

import pytest

from harness.wait import wait_until

FOREIGN = """
table inet foreign {
    counter marked {}
    counter connection {}
    chain output {
        type filter hook output priority filter; policy accept;
        meta mark & 0x00ffffff == 0x42 counter name marked
        meta mark & 0x00ffffff == 0x42 ct mark set ct mark & 0xff000000 | 0x77
    }
    chain input {
        type filter hook input priority filter; policy accept;
        ct mark & 0x00ffffff == 0x77 counter name connection
    }
}
"""
FAR = "198.18.5.2"  # reached through table 100 only, by who sets mark 0x42


@pytest.fixture
def foreign(lab):
    """Another program's firewall and policy routing, there before us."""
    lab.client.nft(FOREIGN)
    lab.server.run(["ip", "address", "add", f"{FAR}/32", "dev", "lo"])
    lab.client.run(["ip", "route", "add", "unreachable", "198.18.5.0/24"])
    lab.client.run(["ip", "rule", "add", "fwmark", "0x42", "lookup", "100"])
    lab.client.run(["ip", "route", "add", "198.18.5.0/24", "via", lab.SERVER, "table", "100"])


def packets(lab, name):
    listed = json.loads(lab.client.run(["nft", "-j", "list", "counter", "inet", "foreign", name]).stdout)
    return next(one["counter"]["packets"] for one in listed["nftables"] if "counter" in one)


def check_foreign_marks(lab, client):
    """A marked flow takes the marked route, and both marks are there where they are read."""
    for protocol in ("tcp", "udp", "udp-connected"):
        before = packets(lab, "marked"), packets(lab, "connection")
        answer = client.talk(protocol, FAR, 80, "-m", "0x42")
        assert answer.error is None, (protocol, answer)
        assert packets(lab, "marked") > before[0]
        assert packets(lab, "connection") > before[1]
    assert client.tcp(80, FAR).error in ("EHOSTUNREACH", "ENETUNREACH")


def test_marks_where_a_provider_decides(foreign, netext, scripted, client, server, lab):
    scripted("* allow")
    check_foreign_marks(lab, client)


def test_marks_where_rules_decide(foreign, netext, firewall, client, server, lab):
    firewall("allow port 80", "default deny")
    check_foreign_marks(lab, client)


def test_marks_without_a_session(foreign, netext, client, server, lab):
    check_foreign_marks(lab, client)


PRIORITIES = """
table inet foreign {
    counter without {}
    counter with {}
    chain early {
        type filter hook output priority raw; policy accept;
        th dport 81 meta priority set 1:5
    }
    chain late {
        type filter hook output priority filter; policy accept;
        meta mark 0 meta priority 0 th dport 80 counter name without
        meta mark 0 meta priority 1:5 th dport 81 counter name with
    }
}
"""


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_what_a_provider_lets_pass_leaves_as_it_came(netext, scripted, client, serve, lab, protocol):
    """The first packet, which waited, has no mark of ours, and the priority that others gave it."""
    lab.client.nft(PRIORITIES.replace("th dport", "tcp flags & (syn | ack) == syn tcp dport")
                   if protocol == "tcp" else PRIORITIES)
    scripted("* allow")
    for port, name in ((80, "without"), (81, "with")):
        serve(port)
        assert client.talk(protocol, lab.SERVER, port).error is None
        assert packets(lab, name) == 1
    lab.client.run(["nft", "delete", "table", "inet", "foreign"])


def test_a_foreign_drop_stays_a_drop(netext, scripted, client, server, lab):
    lab.client.nft("table inet foreign { chain output { type filter hook output priority 10; "
                   "tcp dport 80 drop; }; }")
    scripted("* allow")
    assert client.tcp(80, "198.18.0.2", "-t", "200").error == "ETIMEDOUT"
    lab.client.run(["nft", "delete", "table", "inet", "foreign"])
    assert client.tcp(80).error is None


def test_an_instance_that_can_put_nothing_in_force_says_so(instances, lab, name):
    """Another process owns the table of that name: nobody may believe that flows are decided."""
    owner = lab.client.start(["nft", "--interactive"], stdin=subprocess.PIPE)
    owner.stdin.write(f"add table inet netext-{name} {{ flags owner; }}\n")
    owner.stdin.flush()
    wait_until(lambda: name in lab.client.run(["nft", "list", "tables"]).stdout, "the table was not made")
    with pytest.raises(AssertionError, match="puts nothing in force"):
        instances()
