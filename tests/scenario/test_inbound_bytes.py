# SPDX-License-Identifier: Apache-2.0
"""Filters look at the bytes of connections that others begin; both ends see each other, not the daemon."""
import hashlib
import os
import random
import signal
import socket
import threading

import pytest

from harness.lab import Lab
from harness.peer import digest_of, reset
from harness.wait import wait_until

ADDRESSES = [(Lab.CLIENT, Lab.SERVER), (Lab.CLIENT6, Lab.SERVER6)]


def wait_for_words(netext, words):
    netext.wait_for_message("inspecting", words)


@pytest.mark.kernel
@pytest.mark.parametrize("address,peer", ADDRESSES)
def test_a_filter_sees_both_directions_and_the_server_its_visitor(netext, inspecting, service, visit, address, peer):
    inspecting("inbound ask", "80 watch")
    server = service(80)
    assert visit(80, address) == b"hello"
    assert server.peer() == ((peer, visit.local_port), (address, 80))
    flow = netext.flow(local_port=80)
    assert (flow["direction"], flow["verdict"], flow["decided_by"]) == ("inbound", "allow", "inspecting")
    assert (flow["pid"], flow["remote_port"]) == (server.pid, visit.local_port)
    wait_for_words(netext, f"seen 5 out, 5 in, sum {2 * sum(b'hello')}")


@pytest.mark.parametrize("script", ["80 watch", "80 first 5"])
@pytest.mark.parametrize("address,peer", ADDRESSES)
def test_every_byte_arrives_both_ways(netext, inspecting, service, visit, address, peer, script):
    """In pieces, half-closed by the visitor; shown, or carried by the relay after the last peek."""
    inspecting("inbound ask", script)
    said, answer = random.Random(1).randbytes(4 << 20), random.Random(2).randbytes(4 << 20)
    server = service(80, """
        connection.sendall(random.Random(2).randbytes(4 << 20))
        connection.shutdown(socket.SHUT_WR)
        return digest_of(connection)
    """)
    with visit.connect(80, address, timeout=20) as visitor:
        speaker = threading.Thread(target=lambda: (visitor.sendall(said), visitor.shutdown(socket.SHUT_WR)))
        speaker.start()
        assert digest_of(visitor) == (len(answer), hashlib.sha256(answer).hexdigest())
        speaker.join()
    assert server.result() == [len(said), hashlib.sha256(said).hexdigest()]


def test_a_word_that_is_refused_never_reaches_the_server(netext, inspecting, service, visit):
    inspecting("inbound ask", "80 refuse hello")
    server = service(80, "return connection.recv(100).decode()")
    assert visit(80) == "ConnectionResetError"
    assert server.result() == "ConnectionResetError"
    visit(80, words=b"hallo")
    assert server.result() == "hallo"


def test_a_server_that_speaks_first_and_leaves_is_heard(netext, inspecting, service, visit):
    inspecting("inbound ask", "80 watch")
    service(80, "connection.sendall(b'220 go away')")
    with visit.connect(80) as visitor:
        assert (visitor.recv(100), visitor.recv(100)) == (b"220 go away", b"")


def test_resets_pass_both_ways(netext, inspecting, service, visit):
    inspecting("inbound ask", "* watch")
    server = service(80, "connection.recv(3) and connection.recv(3)")
    visitor = visit.connect(80)
    visitor.sendall(b"abc")
    wait_until(lambda: netext.flows(local_port=80, state="open"), "no flow")
    reset(visitor)
    assert server.result() == "ConnectionResetError"
    service(81, "connection.recv(3) and reset(connection)")
    assert visit(81, words=b"abc") == "ConnectionResetError"


@pytest.mark.parametrize("address,peer", ADDRESSES)
def test_a_visitor_of_a_closed_port_is_refused(netext, inspecting, service, visit, lab, address, peer):
    """Also where the server stopped listening while the filter thought about it."""
    inspecting("inbound ask", "* watch")
    assert visit(80, address) == "ConnectionRefusedError"
    server = service(81)
    os.kill(netext.extension_pid("inspecting"), signal.SIGSTOP)
    outcome = []
    visitor = threading.Thread(target=lambda: outcome.append(visit(81, address)))
    visitor.start()
    wait_until(lambda: netext.flows(local_port=81, state="held"), "the flow was not held")
    lab.client.stop(server.process)
    os.kill(netext.extension_pid("inspecting"), signal.SIGCONT)
    visitor.join()
    assert outcome == ["ConnectionRefusedError"]
    assert netext.flow(local_port=81)["reason"] == "upstream-failed"


def test_many_visitors_at_once(netext, inspecting, service, visit):
    inspecting("inbound ask", "80 watch")
    service(80)
    outcomes = []
    visitors = [threading.Thread(target=lambda n=n: outcomes.append(visit(80, words=b"%d" % n, timeout=20) == b"%d" % n))
                for n in range(200)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert outcomes == [True] * 200
    wait_until(lambda: len(netext.flows(local_port=80, state="closed")) == 200, "not all flows ended")


def test_the_same_port_may_come_again(netext, inspecting, service, visit):
    inspecting("inbound ask", "80 watch")
    server = service(80)
    for _ in range(3):
        assert visit(80, words=b"bye", local_port=4000) == b"bye"
        assert server.peer()[0] == (Lab.SERVER, 4000)
        wait_until(lambda: not netext.flows(local_port=80, state="open"), "the flow did not end")


def test_flowd_dies_and_both_ends_are_told(netext, inspecting, service, visit):
    inspecting("inbound ask", "80 watch")
    server = service(80)
    with visit.connect(80) as visitor:
        visitor.sendall(b"hello")
        assert visitor.recv(5) == b"hello"
        flowd = netext.kill_flowd()
        with pytest.raises(ConnectionResetError):
            visitor.recv(5)
    assert server.result() == "ConnectionResetError"
    netext.wait_for_another_flowd(flowd)
    netext.wait_for_session("inspecting", "running")
    assert visit(80) == b"hello"
    wait_for_words(netext, f"seen 5 out, 5 in, sum {2 * sum(b'hello')}")


@pytest.mark.parametrize("policy,outcome", [("open", b"hello"), ("closed", "ConnectionResetError")])
def test_a_filter_dies_over_bytes(netext, inspecting, service, visit, policy, outcome):
    inspecting("inbound ask", "80 crash", fail_policy=policy)
    service(80)
    assert visit(80) == outcome


def test_a_connection_table_is_not_in_the_way(netext, inspecting, service, visit, lab):
    """Of two connections with the same ends it would take one for the other."""
    lab.client.nft("""table inet neighbour {
        chain input { type filter hook input priority 0; ct state invalid counter drop; ct state new,established accept; }
        chain output { type filter hook output priority 0; ct state invalid counter drop; ct state new,established,untracked accept; }
    }""")
    inspecting("inbound ask", "80 watch")
    service(80)
    for _ in range(3):
        assert visit(80, timeout=0.9) == b"hello"  # not only when it is repeated
    lab.client.run(["nft", "delete", "table", "inet", "neighbour"])


def test_nginx_knows_its_visitor(netext, inspecting, visit, lab, tmp_path):
    (tmp_path / "nginx.conf").write_text(f"""
        daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; worker_processes 2;
        events {{ }}
        http {{
            access_log off;
            server {{ listen 80; listen [::]:80; location / {{ return 200 "$remote_addr $remote_port\\n"; }} }}
        }}""", encoding="utf-8")
    process = lab.client.start(["/usr/sbin/nginx", "-c", tmp_path / "nginx.conf"])
    inspecting("inbound ask", "80 watch")
    wait_until(lambda: visit(80, words=b"") is not None and (tmp_path / "pid").exists(), "nginx did not start")
    for port, (address, peer) in enumerate(ADDRESSES, 4001):
        host = f"[{address}]" if ":" in address else address
        done = lab.server.run(["curl", "-s", "--max-time", "5", "--local-port", port, f"http://{host}/"])
        assert done.stdout == f"{peer} {port}\n"
        flow = netext.flow(local_port=80, remote_port=port, remote_address=peer)
        assert (flow["pid"], flow["program"]) == (process.pid, "/usr/sbin/nginx")


def test_what_is_bound_to_an_interface_cannot_be_inspected(netext, inspecting, service, visit):
    """Nobody but who comes in through that one reaches such a server."""
    inspecting("inbound ask", "80 watch", fail_policy="closed")
    service(80, interface="veth0")
    assert visit(80) == "ConnectionRefusedError"
    assert netext.flow(local_port=80)["reason"] == "not-inspectable"


def test_a_visitor_whose_answers_leave_by_another_way_cannot_be_inspected(netext, inspecting, service, visit, lab):
    inspecting("inbound ask", "80 watch", fail_policy="closed")
    service(80)
    lab.client.run(["ip", "-batch", "-"], input=f"""
        link add veth1 type veth peer name veth2
        link set veth1 up
        link set veth2 up
        route add {Lab.SERVER}/32 dev veth1
    """)
    with lab.server.socket(socket.AF_INET, socket.SOCK_STREAM) as visitor:
        visitor.setblocking(False)
        visitor.connect_ex((Lab.CLIENT, 80))
        assert netext.flow(local_port=80)["reason"] == "not-inspectable"
    lab.client.run(["ip", "link", "delete", "veth1"])


def test_one_filter_after_the_other(netext, inspecting, service, visit):
    inspecting("inbound ask", "80 watch", name="first", order=1)
    inspecting("inbound ask", "80 refuse hello", name="second", order=2)
    service(80)
    assert visit(80) == "ConnectionResetError"
    assert visit(80, words=b"hallo") == b"hallo"
    netext.wait_for_message("first", f"seen 5 out, 5 in, sum {2 * sum(b'hallo')}")


def test_an_inspected_visit_survives_the_session(netext, inspecting, service, visit):
    inspecting("inbound ask", "80 watch")
    server = service(80)
    with visit.connect(80) as visitor:
        visitor.sendall(b"hello")
        assert visitor.recv(100) == b"hello"
        netext.stop_session("inspecting")
        for _ in range(3):
            visitor.sendall(b"hello")
            assert visitor.recv(100) == b"hello"
        visitor.shutdown(socket.SHUT_WR)
        assert visitor.recv(100) == b""
    assert server.result() is None


def test_what_came_before_is_not_looked_at(netext, inspecting, service, visit):
    service(80)
    with visit.connect(80) as visitor:
        inspecting("inbound ask", "80 refuse hello")
        visitor.sendall(b"hello")
        assert visitor.recv(100) == b"hello"
