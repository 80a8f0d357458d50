# SPDX-License-Identifier: Apache-2.0
"""Sockets that are older than the instance are neither cut nor missed: listed, attributed, judged on request (R-17)."""
import os

import pytest

from harness.client import MAPPED, PYTHON
from harness.lab import Lab
from harness.wait import wait_until

# Connects to each of `conversations`; for each line on stdin tells what every peer answers, or the error.
# A child that has all sockets as well does nothing.
TALK = """
def connect(protocol, address, port):
    peer = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                         socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM)
    peer.settimeout(5)
    peer.connect((address, port))
    say(peer)
    return peer

def say(peer):
    try:
        peer.send(b"hello")
        return peer.recv(100).decode()
    except OSError as error:
        return errno.errorcode[error.errno] if error.errno else "silence"

peers = [connect(*one) for one in conversations]
reader, writer = os.pipe()
if os.fork() == 0:
    os.close(writer)
    os.read(reader, 1)
    os._exit(0)
print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps([[say(peer) for peer in peers]]), flush=True)
answer = None
"""
DENIED = [("tcp", Lab.SERVER, 80), ("tcp", Lab.SERVER6, 80), ("tcp", MAPPED, 80), ("udp", Lab.SERVER, 80)]
ALLOWED = [("tcp", Lab.SERVER, 81), ("tcp", Lab.SERVER6, 81), ("udp", Lab.SERVER6, 81)]
ENDED = {"tcp": {"ECONNABORTED"}, "udp": {"ECONNABORTED", "EDESTADDRREQ", "EPERM"}}


def start_talking(client, conversations, **kwargs):
    process = client.start_python(TALK, conversations=conversations, **kwargs)
    client.wait_for_ready(process)
    return process


def what_peers_say(client, process):
    process.stdin.write("\n")
    process.stdin.flush()
    return client.python_answer(process)


def test_traffic_goes_on_while_an_instance_comes_and_goes(instances, lab, client, server, rules):
    """On a kernel that does not tell whose older sockets are: then they are not listed."""
    process = client.start("tcp", lab.SERVER, 80, "-n", "150")
    udp = client.start("udp-connected", lab.SERVER, 80, "-n", "150")
    netext = instances(environment={"NETEXT_WITHOUT": "open-sockets"})
    netext.start_session("firewall", "--rules", rules("default allow"))
    assert netext.flows(older=True) == []
    flows = netext.flows()
    netext.stop_session("firewall")
    netext.stop()
    for older in (process, udp):
        answer = client.answer(older)
        assert (answer.answers, answer.error) == (150, None), f"{answer} {flows}"


@pytest.mark.kernel
def test_an_older_udp_socket_is_asked_about(instances, lab, client, server, rules):
    process = client.start("udp", lab.SERVER, 80, "-n", "10000", "-t", "1000")
    netext = instances()
    netext.start_session("firewall", "--rules", rules("deny port 80"))
    assert client.answer(process, 30).error in ("EPERM", "ECONNREFUSED", "ETIMEDOUT")
    assert netext.flows(remote_port=80, verdict="refuse"), netext.flows()


@pytest.mark.kernel
def test_older_flows_are_listed_and_judged_on_request(instances, lab, client, serve, service, visit, rules):
    for port in (80, 81):
        serve(port)
    process = start_talking(client, DENIED + ALLOWED)
    stranger = start_talking(client, DENIED[:1], inside=(
        "sh", "-c", f'echo $$ >{lab.daemons.path}/cgroup.procs && exec "$@"', "sh"))
    home = service(82)
    with visit.connect(82) as visitor, visit.connect(82, Lab.CLIENT6) as visitor6:
        netext = instances()

        listed = netext.flows()
        assert {one["older"] for one in listed} == {True} and not any("started_ns" in one for one in listed)
        seen = {(one["protocol"], one["direction"], one["remote_address"], one["remote_port"], one["pid"])
                for one in listed}
        assert seen == {(protocol, "outbound", address.removeprefix("::ffff:"), port, process.pid)
                        for protocol, address, port in DENIED + ALLOWED} | \
                       {("tcp", "inbound", *one.getsockname()[:2], home.pid)
                        for one in (visitor, visitor6)}
        for flow in listed:
            assert (flow["program"], flow["owner_is_holder"]) == (os.path.realpath(PYTHON), True)
            assert flow["cgroup"] == lab.cgroup.name
            assert (flow["state"], flow["verdict"], flow["reason"]) == ("open", "allow", "older")
        assert netext.run_ctl("flow", "list").stdout.count("older") == 2 * len(listed)
        shown = netext.run_ctl("flow", "explain", listed[0]["flow"]).stdout
        assert "before netext looked" in shown and "it had the socket when netext looked" in shown
        assert netext.rejudge() == (0, len(listed), 0, 0)

        netext.start_session("firewall", "--rules", rules(
            "deny direction inbound to 198.18.0.2", "allow direction inbound", "deny port 80", "default allow"))
        assert visit(82, Lab.CLIENT6) == b"hello"  # whom an older server listens to
        flow = netext.flow(direction="inbound", remote_port=visit.local_port)
        assert (flow["pid"], flow["owner_is_holder"], "older" in flow) == (home.pid, True, False)

        assert netext.rejudge() == (len(DENIED) + 1, len(ALLOWED) + 1, 0, 0)
        said = what_peers_say(client, process)
        assert said[len(DENIED):] == ["hello"] * len(ALLOWED)
        assert len(netext.flows(protocol="udp", remote_port=81, state="open")) == 1  # and not the older one beside it
        wrong = [(word, *one) for word, one in zip(said, DENIED) if word not in ENDED[one[0]]]
        assert not wrong
        ended = netext.flows(ended_by="judged-again")
        assert {(one["state"], one["decided_by"], one["rule"]) for one in ended} == {
            ("closed", "firewall", "rules:3"), ("closed", "firewall", "rules:1")}
        assert len(ended) == len(DENIED) + 1
        assert what_peers_say(client, stranger) == ["hello"]
        assert [home.result(), home.result()] == [None, "ConnectionAbortedError"]  # the visit first
        visitor6.send(b"hello")
        assert visitor6.recv(100) == b"hello"

        netext.restart_flowd()
        assert netext.rejudge()[:2] == (0, len(ALLOWED) + 1)
        process.stdin.close()
        wait_until(lambda: not netext.flows(state="open", pid=process.pid),
                   lambda: f"flows of a program that ended are open: {netext.flows()}")
