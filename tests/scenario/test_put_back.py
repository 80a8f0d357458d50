# SPDX-License-Identifier: Apache-2.0
"""Others change or remove what is ours in the kernel: it is noticed within a second, put back, and told (R-31)."""
import datetime
import json
import os
import pathlib
import re
import subprocess
import time

import pytest

from harness import snapshot
from harness.client import PYTHON
from harness.instance import waited_s
from harness.lab import Lab
from harness.namespace import run
from harness.wait import wait_until

# What others do to a table, by nft(8); TABLE is ours.
CHANGES = (
    "flush ruleset",
    "delete table TABLE",
    "flush chain TABLE undecided",
    "insert rule TABLE hold accept",
    "chain TABLE guard { policy drop; }",
    "table TABLE { flags dormant; }",
)


class Watch:
    """When the namespace is as before again, without the time for which flowd was ready and others had the CPU."""

    def __init__(self, netext, lab):
        self.netext, self.lab = netext, lab
        self.before = snapshot.of_namespace(lab.client)
        self.pid = netext.flowd_pid()

    def until_put_back(self, *commands):
        waited = waited_s(self.pid)
        for command in commands:
            self.lab.client.run(command, timeout=20)
        changed = time.time()
        wait_until(lambda: snapshot.of_namespace(self.lab.client) == self.before,
                   lambda: (commands, snapshot.of_namespace(self.lab.client), self.before), 20)
        last = self.netext.status()["put_back_last"]
        put_back = datetime.datetime.fromisoformat(re.search(r" at (\S+)Z,", last)[1] + "+00:00").timestamp()
        assert put_back - changed - (waited_s(self.pid) - waited) < 1, commands


@pytest.mark.kernel
def test_a_changed_table_is_put_back(netext, scripted, client, server, lab):
    scripted("80 refuse", fail_policy="closed")
    table, watch = f"inet netext-{netext.name}", Watch(netext, lab)
    for number, change in enumerate(CHANGES, 1):
        watch.until_put_back(["nft", change.replace("TABLE", table)])
        assert client.tcp(80).error == "ECONNREFUSED"
        status = netext.status()
        assert status["tables_put_back"] == number and "changed by nft (pid" in status["put_back_last"]
    assert netext.messages().count(f"changed the table {table}: it is put back") == len(CHANGES)
    assert netext.flowd_pid() == watch.pid and server.seen == []


# The same for the table of packet filters, FILTERED.
PACKET_CHANGES = (
    "delete table FILTERED",
    "flush chain FILTERED leaving",
    "insert rule FILTERED leave accept",
    "chain FILTERED arrive { policy drop; }",
)


def test_a_changed_table_of_packet_filters_is_put_back(netext, packets, client, server, lab):
    packets("out any 17 any", "out any 1 any", fail_policy="closed")
    table, watch = f"inet netext-{netext.name}.packets", Watch(netext, lab)
    for number, change in enumerate(PACKET_CHANGES, 1):
        watch.until_put_back(["nft", change.replace("FILTERED", table)])
        assert netext.status()["tables_put_back"] == number
    watch.until_put_back(["nft", "flush ruleset"])
    status = netext.status()
    assert status["tables_put_back"] == len(PACKET_CHANGES) + 2  # that of flows as well
    assert status["put_back_last"].startswith("table of packet filters at ") and "by nft (pid" in status["put_back_last"]
    assert netext.messages().count(f"changed the table {table}: it is put back; no packet filter saw") == 5
    assert client.ping("nx:drop", wait=0.2) is None and client.ping("nx:say") == "nx:say"


def test_what_we_change_ourselves_is_no_change(netext, scripted, client, server, lab):
    """Also where others change what is theirs: a rule of their own, and whole transactions."""
    scripted("80 allow")
    scripted("inbound ask", name="second", fail_policy="closed")
    lab.client.nft("add table inet netext-other; add table ip nat; delete table inet netext-other; delete table ip nat")
    for _ in range(20):
        assert client.udp(80).error is None
    netext.stop_session("second")
    assert netext.status()["tables_put_back"] == 0


def test_removed_policy_rules_and_routes_are_put_back(netext, proxy, client, server, lab):
    proxy("80 splice")
    watch = Watch(netext, lab)
    table = next(line for line in watch.before["ipv4"].splitlines() if "proto 78" in line).split()[-3]
    watch.until_put_back(["ip", "rule", "flush"], ["ip", "rule", "add", "priority", "32766", "lookup", "main"],
                         ["ip", "rule", "add", "priority", "32767", "lookup", "default"])
    watch.until_put_back(["ip", "-6", "rule", "delete", "priority", "78"])
    watch.until_put_back(["ip", "route", "flush", "table", table], ["ip", "-6", "route", "flush", "table", table])
    answer = client.tcp(80)
    assert answer.error is None and netext.flow(local_port=answer.local_port)["verdict"] == "claim"
    status = netext.status()
    assert status["routes_put_back"] == 4 and status["put_back_last"].startswith("routes at ")


@pytest.mark.kernel
def test_detached_programs_are_put_back(netext, proxy, client, server, lab):
    """Nobody tells that: the first flow that has no owner for it does. Also what was only unpinned is found then."""
    proxy("80 splice")
    before = snapshot.of_cgroup(lab.cgroup)
    cgroup = os.stat(lab.cgroup.path).st_ino
    links = [link["id"] for link in json.loads(run(["bpftool", "-j", "link", "list"]).stdout)
             if link.get("cgroup_id") == cgroup]
    for link in links:
        run(["bpftool", "link", "detach", "id", link])
    client.tcp(80)
    assert netext.flow(remote_port=80)["owner"] == "unattributed"
    assert snapshot.of_cgroup(lab.cgroup) == before and netext.status()["hooks_put_back"] == len(links) == 9
    answer = client.tcp(80)
    flow = netext.flow(local_port=answer.local_port)
    assert (flow["pid"], flow["verdict"]) == (answer.pid, "claim")
    netext.restart_flowd()
    assert snapshot.of_cgroup(lab.cgroup) == before


# Makes and deletes a table of its own, as fast as asked, and tells how often it did.
FLOOD = """
import socket, struct, sys, time
link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
link.bind((0, 0))
name = struct.pack("=HH8s", 12, 1, b"flood\\0")

def message(kind, family, subsystem, payload=b""):
    return struct.pack("=IHHIIBBH", 20 + len(payload), kind, 1 | 0x400, 1, 0, family, 0, subsystem) + payload

batch = message(16, 0, 0x0a00) + message(0x0a00, 1, 0, name) + message(0x0a02, 1, 0, name) + message(17, 0, 0x0a00)
seconds, per_second = float(sys.argv[1]), int(sys.argv[2])
began, n = time.monotonic(), 0
print("ready", flush=True)
while (passed := time.monotonic() - began) < seconds:
    if n < passed * per_second:
        link.send(batch)
        n += 1
print(n)
"""


def ran_s(pid):
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0]) / 1e9


@pytest.mark.alone
def test_a_flood_of_changes_costs_little_and_hides_nothing(netext, scripted, client, server, lab):
    """10,000 transactions a second: 40,000 messages, none of them about us."""
    scripted("80 refuse")
    watch = Watch(netext, lab)
    before = ran_s(watch.pid)
    flood = lab.client.start([PYTHON, "-I", "-c", FLOOD, "2", "10000"], ready="ready", stderr=subprocess.DEVNULL)
    n_changes = int(flood.communicate(timeout=30)[0].split()[-1])
    assert n_changes > 10000
    assert ran_s(watch.pid) - before < 0.1  # seconds, of 2
    assert netext.status()["tables_put_back"] == 0
    lab.client.start([PYTHON, "-I", "-c", FLOOD, "3", "10000"], ready="ready", stderr=subprocess.DEVNULL)
    began = time.monotonic()
    time.sleep(0.5)
    lab.client.run(["nft", "delete", "table", f"inet netext-{netext.name}"])
    deleted, waited = time.monotonic(), waited_s(watch.pid)
    while netext.status()["tables_put_back"] == 0:
        assert time.monotonic() - deleted < 2
    assert time.monotonic() - deleted - (waited_s(watch.pid) - waited) < 1 and time.monotonic() - began < 3
    assert client.tcp(80, Lab.SERVER).error == "ECONNREFUSED"
