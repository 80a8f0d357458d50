# SPDX-License-Identifier: Apache-2.0
"""An instance of the root cgroup covers its whole network namespace, and nothing else."""
import socket

import pytest

from harness.client import TALK
from harness.paths import CGROUP2
from harness.wait import wait_until

pytestmark = pytest.mark.xdist_group("root-cgroup")


@pytest.fixture
def netext(instances):
    return instances(cgroup=str(CGROUP2))


@pytest.mark.kernel
def test_programs_of_every_cgroup_are_decided(netext, scripted, client, server, lab):
    scripted("81 refuse")
    for cgroup in (lab.cgroup, CGROUP2):
        assert client.tcp(81, cgroup=cgroup).error == "ECONNREFUSED"
        answer = client.tcp(80, cgroup=cgroup)
        assert netext.flow(local_port=answer.local_port)["reason"] == "provider"


def test_other_namespaces_are_not(netext, scripted, serve, lab):
    serve(80, lab.client)
    scripted("* refuse")
    done = lab.server.run([TALK, "tcp", lab.CLIENT, 80], check=False)
    assert done.returncode == 0, done.stdout
    assert netext.flows(direction="outbound") == []


def test_an_extension_is_not_asked_about_its_own_traffic(netext, scripted, client, serve):
    """R-33."""
    first, own = serve(80), serve(7)
    scripted("80 call 198.18.0.2 7", "7 drop")
    answer = client.tcp(80)
    assert answer.error is None and answer.ms < 500
    assert [received for _, _, received in own.seen] == [b"own"]
    assert [flow["reason"] for flow in netext.flows(remote_port=7)] in ([], ["own-traffic"])
    assert len(first.seen) == 1


def test_connections_to_programs_of_every_cgroup_are_inspected(netext, inspecting, service, visit, lab):
    """flowd itself is one of them."""
    inspecting("inbound ask", "* watch")
    for port, cgroup in ((80, lab.cgroup), (81, CGROUP2)):
        server = service(port, cgroup=cgroup)
        assert visit(port) == b"hello"
        assert server.peer()[0] == (lab.SERVER, visit.local_port)
        flow, = netext.flows(local_port=port)
        assert (flow["direction"], flow["pid"]) == ("inbound", server.pid)
        wait_until(lambda: netext.flows(local_port=port, state="closed"), "the flow did not end")


def test_packets_of_the_kernels_own_are_filtered(netext, packets, lab):
    """Nobody listens there, and the error is nobody's; it quotes what it is about."""
    packets("out veth0 1 any")
    with lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.settimeout(0.5)
        caller.connect((lab.CLIENT, 9999))
        for word, error in ((b"nx:say", ConnectionRefusedError), (b"nx:drop", TimeoutError)):
            caller.send(word)
            with pytest.raises(error):
                caller.recv(100)
    assert netext.status()["packets_dropped"] == 1
