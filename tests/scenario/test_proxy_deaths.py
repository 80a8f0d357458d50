# SPDX-License-Identifier: Apache-2.0
"""Somebody dies or stops while flows are claimed: no program hangs, and nothing is there twice."""
import os
import re
import signal

import pytest

from harness import snapshot
from harness.lab import Lab
from harness.namespace import wait_for_line
from harness.wait import wait_until

PROXY = "scripted-proxy"

# Says a word, tells so, says another when it is told to, and tells how that went.
TWO_WORDS = """
    connection = socket.create_connection((address, 80), 20)
    connection.settimeout(10)
    connection.sendall(b"one")
    connection.recv(100)
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.monotonic()
    try:
        connection.sendall(b"two")
        word = connection.recv(100).decode()
    except OSError as error:
        word = errno.errorcode.get(error.errno, "timeout")
    answer = word, time.monotonic() - started
"""

# Waits for the end of its connection, whatever that is.
WAITS_FOR_END = """
    connection = socket.create_connection((address, 80), 20)
    connection.settimeout(10)
    connection.sendall(b"one")
    connection.recv(100)
    print("ready", flush=True)
    try:
        answer = connection.recv(100).decode()
    except OSError as error:
        answer = errno.errorcode.get(error.errno, "timeout")
"""


@pytest.fixture
def begin(netext, client):
    """Starts a program and waits until its flow is under way."""
    def start(code):
        process = client.start_python(code, address=Lab.SERVER)
        client.wait_for_ready(process)
        return process
    return start


def second_word(client, process):
    process.stdin.write("go\n")
    process.stdin.flush()
    return client.python_answer(process)


@pytest.mark.parametrize("policy, error", (("open", None), ("closed", "ECONNREFUSED")))
def test_a_proxy_dies_with_claimed_flows_that_are_not_open(netext, proxy, client, server, policy, error):
    proxy("80 hold", fail_policy=policy)
    process = client.start("tcp", Lab.SERVER, 80, "-t", "5000")
    wait_until(lambda: netext.flows(remote_port=80, decided_by=PROXY), "the flow was not claimed")
    netext.kill(netext.extension_pid(PROXY))
    answer = client.answer(process)
    assert answer.error == error
    flow = netext.flow(local_port=answer.local_port)
    assert (flow["reason"], flow["decided_by"]) == ("provider-gone", PROXY)


def test_the_next_proxy_gets_what_a_dead_one_had_claimed(netext, proxy, client, server):
    proxy("80 hold", name="first", order=1)
    proxy("80 splice", name="second", order=2)
    process = client.start("tcp", Lab.SERVER, 80, "-t", "5000")
    wait_until(lambda: netext.flows(remote_port=80, decided_by="first"), "the flow was not claimed")
    netext.kill(netext.extension_pid("first"))
    assert client.answer(process).error is None
    assert netext.flow(remote_port=80, remote_address=Lab.SERVER)["verdict"] == "claim"


def test_spliced_flows_outlive_their_proxy(netext, proxy, client, server, begin):
    proxy("80 splice")
    process = begin(TWO_WORDS)
    netext.restart_extension(PROXY)
    assert second_word(client, process)[0] == "two"


def test_spliced_flows_go_on_while_their_proxy_is_stopped(netext, proxy, client, server, begin):
    proxy("80 splice")
    process = begin(TWO_WORDS)
    netext.kill(netext.extension_pid(PROXY), signal.SIGSTOP)
    assert second_word(client, process)[0] == "two"
    netext.kill(netext.extension_pid(PROXY), signal.SIGCONT)


def test_flows_that_a_dead_proxy_carried_end_at_once(netext, proxy, client, server, begin):
    proxy("80 claim")
    process = begin(WAITS_FOR_END)
    netext.kill(netext.extension_pid(PROXY))
    assert client.python_answer(process) in ("", "ECONNRESET")


def test_a_stopped_proxy_holds_up_its_own_flows_only(netext, proxy, client, serve, rules):
    """What it claimed waits for it, and the program can leave; what it was not asked in time goes by policy."""
    serve(80), serve(81)
    proxy("say yes", "80 hold", "81 splice", verdict_timeout=1000)
    waiting = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
    wait_until(lambda: netext.flows(remote_port=80, decided_by=PROXY), "the flow was not claimed")
    netext.kill(netext.extension_pid(PROXY), signal.SIGSTOP)
    answer = client.tcp(81)
    assert answer.error is None
    assert netext.flow(local_port=answer.local_port)["reason"] == "verdict-timeout"
    waiting.send_signal(signal.SIGTERM)
    waiting.wait(5)
    wait_until(lambda: netext.flows(remote_port=80)[0]["state"] == "closed", "its flow did not end")
    netext.kill(netext.extension_pid(PROXY), signal.SIGCONT)
    wait_until(lambda: "closed 80: Software caused connection abort" in netext.messages(), "the proxy was not told")


@pytest.mark.parametrize("how", ("claim", "splice"))
def test_a_claim_that_comes_too_late_is_no_fault(netext, inspecting, proxy, client, serve, begin, how):
    """Meanwhile the flow is another proxy's: the late one keeps what it has, and its session."""
    serve(80), serve(81)
    inspecting("81 watch")
    proxy("80 claim", f"81 {how}", name="late", order=1, verdict_timeout=300)
    proxy("81 splice", name="next", order=2)
    earlier = begin(TWO_WORDS)
    pid = netext.extension_pid("late")
    netext.kill(pid, signal.SIGSTOP)
    process = client.start("tcp", Lab.SERVER, 81, "-n", "20", "-i", "50")
    wait_until(lambda: netext.flows(remote_port=81, decided_by="next"), "the next proxy did not get it")
    netext.kill(pid, signal.SIGCONT)
    assert second_word(client, earlier)[0] == "two"
    answer = client.answer(process)
    assert (answer.error, answer.answers) == (None, 20)
    assert "broke the protocol" not in netext.messages()
    assert netext.session("late")["restarts"] == 0


def test_spliced_flows_break_with_flowd_and_are_told_so(netext, proxy, client, server, begin):
    """Cut off is not ended: a program must be able to tell that from an answer that is whole."""
    proxy("80 splice")
    processes = [begin(WAITS_FOR_END) for _ in range(3)]
    netext.restart_flowd()
    assert [client.python_answer(process) for process in processes] == ["ECONNRESET"] * 3


def test_spliced_flows_of_a_stopped_flowd_break_with_it(netext, proxy, client, server, begin):
    """No packet waits for it, and yet nobody waits for ever."""
    proxy("80 splice")
    process = begin(WAITS_FOR_END)
    pid = netext.flowd_pid()
    netext.kill(pid, signal.SIGSTOP)
    assert client.python_answer(process) == "ECONNRESET"
    netext.wait_for_another_flowd(pid)
    netext.wait_for_session(PROXY, "running")
    assert client.tcp(80).error is None and netext.status()["flowd_restarts"] == 1


def test_peeked_flows_break_with_flowd_and_are_told_so(netext, proxy, client, server):
    """Also where the program has not said anything yet."""
    proxy("80 peek 100 decline")
    pid = netext.flowd_pid()
    process = client.start_python("""
        connection = socket.create_connection((address, 80), 20)
        connection.settimeout(10)
        print("ready", flush=True)
        try:
            answer = connection.recv(100).decode()
        except OSError as error:
            answer = errno.errorcode.get(error.errno, "timeout")
    """, address=Lab.SERVER)
    client.wait_for_ready(process)
    netext.kill(pid)
    assert client.python_answer(process) == "ECONNRESET"


def test_flows_that_were_handed_over_outlive_flowd(netext, proxy, client, server, begin):
    proxy("80 claim")
    process = begin(TWO_WORDS)
    for _ in range(2):
        netext.restart_flowd()
    assert second_word(client, process)[0] == "two"
    assert client.tcp(80).error is None


@pytest.mark.parametrize("how", ("splice", "claim"))
def test_nothing_breaks_with_netextd(netext, proxy, client, server, begin, how):
    proxy(f"80 {how}")
    process = begin(TWO_WORDS)
    netext.kill_netextd()
    assert client.tcp(80).error is None
    netext.restart_netextd()
    assert second_word(client, process)[0] == "two"
    assert client.tcp(80).error is None


def test_nothing_is_there_twice(netext, proxy, client, server, lab):
    proxy("80 splice")
    assert client.tcp(80).error is None

    def look():
        return without_ports(snapshot.of_namespace(lab.client)), snapshot.of_cgroup(lab.cgroup)

    before = look()
    for _ in range(2):
        netext.restart_flowd()
        netext.restart_extension(PROXY)
    netext.kill_netextd()
    netext.restart_netextd()
    netext.wait_for_session(PROXY, "running")
    wait_until(lambda: client.tcp(80).error is None, "nothing passed")
    assert look() == before


def without_ports(text):
    """A restarted flowd listens elsewhere: that alone may differ."""
    return {key: re.sub(r"tproxy (ip6?) to (\S+):\d+", r"tproxy \1 to \2", value) for key, value in text.items()}


def test_spliced_flows_outlive_the_last_proxy(netext, proxy, client, server, begin):
    """The session is stopped by the administrator: new flows go direct, those that it gave back go on (D10)."""
    proxy("80 splice")
    proxy("80 decline", name="other")
    process = begin(TWO_WORDS)
    netext.stop_session("other")
    assert "the last proxy" not in netext.messages()
    netext.stop_session(PROXY)
    assert f"{PROXY} was the last proxy in the chain: all flows go direct from now on" in netext.messages()
    answer = client.tcp(80)
    assert answer.error is None
    assert netext.flow(local_port=answer.local_port)["verdict"] == "allow"
    assert second_word(client, process)[0] == "two"
    wait_until(lambda: "tproxy" not in netext.lab.client.run(["nft", "list", "ruleset"]).stdout,
               "its way stays behind")


def test_claimed_flows_that_are_not_open_go_on_without_a_stopped_session(netext, proxy, client, server):
    proxy("80 hold", fail_policy="closed")
    process = client.start("tcp", Lab.SERVER, 80, "-t", "5000")
    wait_until(lambda: netext.flows(remote_port=80, decided_by=PROXY), "the flow was not claimed")
    netext.stop_session(PROXY)
    assert client.answer(process).error is None


def test_a_flow_that_was_shown_goes_on_without_a_stopped_session(netext, proxy, client, server, lab):
    """Its first bytes were peeked at, who saw them says nothing, and its destination takes a while to answer."""
    lab.server.nft("table inet slow { chain input { type filter hook input priority 0; tcp dport 80 drop; }; }")
    proxy("80 peek 5")
    process = client.start_python("""
        connection = socket.create_connection((address, 80), 20)
        connection.settimeout(10)
        print("ready", flush=True)
        sys.stdin.readline()
        connection.sendall(b"hello")
        answer = connection.recv(100).decode()
    """, address=Lab.SERVER)
    client.wait_for_ready(process)
    netext.kill(netext.extension_pid(PROXY), signal.SIGSTOP)
    process.stdin.write("go\n")
    process.stdin.flush()
    wait_until(lambda: netext.status()["flows_held"] == 1, "the flow is not asked about")
    netext.stop_session(PROXY)
    lab.server.nft("delete table inet slow")
    assert client.python_answer(process) == "hello"


def test_a_segment_that_finds_no_socket_is_looked_at_twice(netext, proxy, client, server, lab):
    """The kernel's table can lack a socket for a moment. flowd sends the segment round, then it is reset."""
    proxy("80 claim")
    process = client.start_python("""
        connection = socket.create_connection((address, 80), 20)
        connection.sendall(b"one")
        connection.recv(100)
        print("ready", flush=True)
        sys.stdin.readline()
        connection.sendall(b"two")
        answer = []
        for seconds in (0.5, 10):
            connection.settimeout(seconds)
            try:
                answer.append(connection.recv(100).decode())
            except OSError as error:
                answer.append(type(error).__name__)
            print("heard", answer[-1], flush=True)
    """, address=Lab.SERVER)
    client.wait_for_ready(process)
    lab.client.nft("table inet deaf { chain lo { type filter hook prerouting priority -500; tcp flags rst drop; }; }")
    netext.restart_extension(PROXY)
    lab.client.nft("delete table inet deaf")
    with netext.paused_flowd():
        process.stdin.write("go\n")
        process.stdin.flush()
        wait_for_line(process, "heard", 10)
    assert client.python_answer(process) == ["TimeoutError", "ConnectionResetError"]
