# SPDX-License-Identifier: Apache-2.0
"""A flow says whose it is, exactly, also when that program is gone (D03, B6, B20)."""
import os

import pytest

from harness.client import TALK, TRANSPORTS
from harness.instance import started_at
from harness.paths import CGROUP2
from harness.wait import wait_until

TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")


@pytest.mark.kernel
def test_a_flow_names_its_program(netext, scripted, client, server, lab):
    scripted("80 allow")
    process = client.start("tcp", lab.SERVER, 80, "-s")
    answer = client.answer(process)
    flow = netext.flow(remote_port=80)
    assert flow["owner"] == "program"
    assert flow["pid"] == process.pid == answer.pid
    assert flow["process_started_ns"] // TICK_NS == started_at(process.pid)
    assert flow["uid"] == 0
    assert flow["program"] == str(TALK.resolve())
    assert flow["command_line"] == f"{TALK} -s tcp {lab.SERVER} 80"
    assert flow["cgroup"] == lab.cgroup.name
    assert (flow["local_address"], flow["local_port"]) == (lab.CLIENT, answer.local_port)
    assert (flow["remote_address"], flow["remote_port"]) == (lab.SERVER, 80)


@pytest.mark.parametrize("address", [address for protocol, address in TRANSPORTS if protocol == "tcp"])
def test_a_flow_that_rules_allowed_has_its_local_end(netext, firewall, client, server, lab, address):
    firewall("allow port 80")
    process = client.start("tcp", address, 80, "-s")
    local_end = {"local_port": client.answer(process).local_port,
                 "local_address": lab.CLIENT6 if address == lab.SERVER6 else lab.CLIENT}
    assert netext.flows(remote_port=80, state="open", **local_end), netext.flows()
    process.stdin.close()
    process.wait(5)
    assert netext.flow(remote_port=80, state="closed", **local_end)


def test_a_brief_flow_that_rules_allowed_has_its_local_end(netext, firewall, client, server, lab):
    firewall("allow port 80")
    answer = client.tcp(80)
    flow = netext.flow(remote_port=80)
    assert (flow["local_address"], flow["local_port"]) == (lab.CLIENT, answer.local_port)


def test_odd_characters_of_a_command_line_survive(netext, client, server):
    client.run("bash", "-c", "echo 'a\n\x01\\n' >/dev/tcp/198.18.0.2/80")
    flow = netext.flow(remote_port=80, comm="bash")
    assert "'a\n\x01\\n'" in flow["command_line"]
    shown = netext.run_ctl("flow", "explain", flow["flow"]).stdout
    assert "'a\\n\\x01\\\\n'" in shown


def test_times_are_in_order(netext, scripted, client, server, lab):
    scripted("80 pause 100 allow")
    process = client.start("tcp", lab.SERVER, 80, "-s")
    client.answer(process)
    flow = netext.flow(remote_port=80, state="open")
    assert 90_000_000 < flow["decided_ns"] - flow["started_ns"] < 2_000_000_000
    process.stdin.close()
    process.wait(5)
    closed = netext.flow(remote_port=80, state="closed")
    assert closed["closed_ns"] > flow["decided_ns"]


@pytest.mark.parametrize("protocol", ["tcp", "udp", "udp-connected"])
def test_a_flow_ends_with_its_program_also_while_it_is_held(netext, scripted, client, server, lab, protocol):
    scripted("80 wait allow")
    process = client.start(protocol, lab.SERVER, 80, "-t", "10000")
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    process.kill()
    process.wait()
    scripted.rewrite("80 allow")
    wait_until(lambda: netext.flows(remote_port=80, state="closed"),
               lambda: f"the flow did not end: {netext.flows()}")


def test_times_of_a_denied_flow_are_in_order(netext, firewall, client, server):
    firewall("deny port 80")
    client.tcp(80)
    flow = netext.flow(remote_port=80)
    assert flow["started_ns"] <= flow["decided_ns"] <= flow["closed_ns"]


def test_a_program_of_another_user_in_a_deeper_cgroup(netext, scripted, client, server, lab):
    scripted("80 allow")
    deeper = CGROUP2 / lab.cgroup.name[1:] / "deeper"
    deeper.mkdir()
    client.run("setpriv", "--reuid", "61100", "--regid", "61100", "--clear-groups",
               "bash", "-c", "exec 3<>/dev/udp/198.18.0.2/80; echo hello >&3", cgroup=deeper)
    flow = netext.flow(remote_port=80)
    assert flow["uid"] == 61100
    assert flow["program"] == os.path.realpath("/bin/bash")
    assert flow["cgroup"] == f"{lab.cgroup.name}/deeper"


def wait_until_free(client, port):
    """The kernel hands on a port in TIME_WAIT, but not before the other side has acknowledged the FIN."""
    wait_until(lambda: not client.lab.client.run(["ss", "-Htan", "state", "fin-wait-1", f"sport = :{port}"]).stdout,
               f"nobody acknowledged the end of the connection from port {port}")


@pytest.mark.parametrize("protocol", ["tcp", "udp", "udp-connected"])
def test_a_port_that_changed_hands_is_a_new_flow(netext, scripted, client, server, lab, tmp_path, protocol):
    scripted("80 allow")
    other = tmp_path / "other"
    other.write_bytes(TALK.read_bytes())
    other.chmod(0o755)
    first = client.talk(protocol, lab.SERVER6, 80, "-p", "5555")
    wait_until_free(client, 5555)
    second = client.talk(protocol, lab.SERVER6, 80, "-p", "5555", program=other)
    assert (first.error, second.error) == (None, None)
    assert netext.flow(pid=first.pid)["program"] == str(TALK)
    assert netext.flow(pid=second.pid)["program"] == str(other)


@pytest.mark.parametrize("protocol", ["tcp", "udp-connected"])
def test_a_socket_closed_before_its_packet_is_read(netext, scripted, client, server, lab, tmp_path, protocol):
    scripted("80 allow")
    other = tmp_path / "other"
    other.write_bytes(TALK.read_bytes())
    other.chmod(0o755)
    assert client.talk(protocol, lab.SERVER6, 80, "-p", "5555").error is None
    wait_until_free(client, 5555)
    with netext.paused_flowd():
        late = client.talk(protocol, lab.SERVER6, 80, "-p", "5555", "-t", "50", program=other)
    assert late.error == "ETIMEDOUT"
    assert netext.flow(pid=late.pid)["program"] == str(other)


@pytest.mark.parametrize("protocol, kind", [("tcp", "SOCK_STREAM"), ("udp-connected", "SOCK_DGRAM")])
def test_a_socket_bound_to_an_interface(netext, scripted, client, server, protocol, kind):
    scripted("80 allow")
    client.run("/usr/bin/python3", "-c", f"""
from socket import *
bound = socket(AF_INET, {kind})
bound.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"veth0")
bound.connect(("198.18.0.2", 80))
bound.send(b"hello")
bound.recv(10)""")
    assert netext.flow(remote_port=80)["program"] == os.path.realpath("/usr/bin/python3")


def test_a_script_is_named_by_its_interpreter_and_command_line(netext, scripted, client, server, tmp_path):
    scripted("80 allow")
    script = tmp_path / "script.py"
    script.write_text("import socket\nsocket.create_connection(('198.18.0.2', 80))\n", encoding="utf-8")
    client.run("/usr/bin/python3", script)
    flow = netext.flow(remote_port=80)
    assert flow["program"] == os.path.realpath("/usr/bin/python3")
    assert flow["command_line"] == f"/usr/bin/python3 {script}"


def test_a_deleted_executable_is_still_named(netext, scripted, client, server, tmp_path, lab):
    scripted("80 allow")
    copy = tmp_path / "copy"
    copy.write_bytes(TALK.read_bytes())
    copy.chmod(0o755)
    process = client.start("tcp", lab.SERVER, 80, "-s", "-n", "20", program=copy)
    copy.unlink()
    client.answer(process)
    assert netext.flow(remote_port=80)["program"] == str(copy)
