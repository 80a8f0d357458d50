# SPDX-License-Identifier: Apache-2.0
"""A flow that passed can be ended: by a filter that changes its verdict, and by who asks netextctl for it.

From then on nothing of it passes, neither way, wherever its bytes were: counted where they would arrive.
"""
import json
import os
import pathlib
import signal
import time

import pytest

from harness.client import PYTHON, TRANSPORTS
from harness.lab import Lab
from harness.paths import PROGRAMS
from harness.wait import wait_until

# Talks on `conversations` of (protocol, address, port), each in a thread, until each has its error.
TALK = """
def hear(peer, may_be_silent):
    try:
        return peer.recv(100)
    except TimeoutError:
        if not may_be_silent:
            raise
        return b"nothing"

def talk(protocol, address, port):
    udp = protocol != "tcp"
    peer = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                         socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    peer.settimeout(1)
    named = protocol == "udp"
    if not named:
        peer.connect((address, port))
    n = 0
    started.wait()
    try:
        while n < 4000:
            peer.sendto(b"x" * 100, (address, port)) if named else peer.send(b"x" * 100)
            if not hear(peer, named):
                return "end"
            n += 1
            if n == 1:
                ready.release()
            time.sleep(0.005)
    except OSError as error:
        return errno.errorcode[error.errno] if error.errno else "silence"
    return "nothing"

started, ready, errors = threading.Event(), threading.Semaphore(0), [None] * len(conversations)
def one(i):
    errors[i] = talk(*conversations[i])
threads = [threading.Thread(target=one, args=(i,)) for i in range(len(conversations))]
for thread in threads:
    thread.start()
started.set()
for thread in threads:
    ready.acquire()
print("ready", flush=True)
for thread in threads:
    thread.join()
answer = errors
"""
# In a user namespace with a process and a mount namespace of its own.
INSIDE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child")
TALKER = pathlib.Path(PYTHON).resolve()
# What it is told; of datagrams, by the call that it was in.
TOLD = {"tcp": {"ECONNABORTED"}, "udp-connected": {"ECONNABORTED", "EDESTADDRREQ", "EPERM"}, "udp": {"EPERM"}}
ALL = [(protocol, address, 80) for protocol, address in TRANSPORTS]
HOOKLESS = [("udp-connected", address, 80) for address in (Lab.SERVER, Lab.SERVER6)]  # no hook sees what they send


def start_talking(client, conversations, inside=()):
    process = client.start_python(TALK, inside=inside, conversations=conversations)
    client.wait_for_ready(process)
    return process


def assert_told(client, process, conversations):
    errors = client.python_answer(process)
    wrong = [(error, *one) for error, one in zip(errors, conversations) if error not in TOLD[one[0]]]
    assert not wrong


def assert_silence(server):
    """What was on its way has arrived; nothing comes after it."""
    time.sleep(0.05)
    n = len(server.seen)
    time.sleep(0.3)
    assert len(server.seen) == n


def updates(netext, session="scripted"):
    """What the scripted filter was answered, for each script: {"over": 9, "EALREADY": 1}."""
    told = [line.rpartition(" updated:")[2].split() for line in netext.messages().splitlines()
            if f"{session} updated:" in line]
    return [dict(zip(words[1::2], map(int, words[0::2]))) for words in told]


def wait_for_updates(netext, nth, session="scripted"):
    """The answers to the nth script, 1 and up."""
    return wait_until(lambda: updates(netext, session)[nth - 1:nth],
                      lambda: f"no {nth}. update was answered: {netext.messages()}")[0]


@pytest.mark.kernel
def test_a_killed_flow_is_over_both_ways(netext, scripted, client, server):
    scripted("* allow")
    process = start_talking(client, ALL)
    done = netext.run_ctl("flow", "kill", "--program", TALKER, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"flows_ended": len(ALL)}), done
    assert_silence(server)
    assert_told(client, process, ALL)
    flows = netext.flows(remote_port=80)
    assert len(flows) == len(ALL), flows
    for flow in flows:
        assert (flow["verdict"], flow["state"], flow["ended_by"]) == ("allow", "closed", "person"), flow
    explained = netext.run_ctl("flow", "explain", flows[0]["flow"]).stdout
    assert "by somebody who asked netextd for it" in explained
    done = netext.run_ctl("flow", "kill", "--program", TALKER.name)
    assert (done.returncode, done.stderr) == (1, "netextctl: no open flow is meant\n")
    done = netext.run_ctl("flow", "kill", flows[0]["flow"])
    assert (done.returncode, done.stderr) == (1, f"netextctl: flow {flows[0]['flow']}: it is over already\n")


def test_whom_a_kill_means(netext, client, server, serve):
    serve(81)
    process = start_talking(client, [("tcp", Lab.SERVER, 80), ("tcp", Lab.SERVER, 81), ("tcp", Lab.SERVER6, 80),
                                     ("udp", Lab.SERVER6, 81)])
    assert netext.run_ctl("flow", "kill", "--remote", f"[{Lab.SERVER6}]:81").stdout == "1 flow ended.\n"
    assert netext.run_ctl("flow", "kill", "--remote", f"{Lab.SERVER}:81").stdout == "1 flow ended.\n"
    flow, = [one for one in netext.flows(remote_address=Lab.SERVER, remote_port=80) if one["state"] == "open"]
    assert netext.run_ctl("flow", "kill", flow["flow"]).stdout == "1 flow ended.\n"
    assert netext.run_ctl("flow", "kill", "--remote", Lab.SERVER6, "--program", "/usr/bin/false").returncode == 1
    assert netext.run_ctl("flow", "kill", "--remote", Lab.SERVER6).stdout == "1 flow ended.\n"
    assert client.python_answer(process) == ["ECONNABORTED", "ECONNABORTED", "ECONNABORTED", "EPERM"]
    for arguments in ([], ["x"], ["1", "--program", "a"], ["--remote", "example.org"], ["--remote", "1.2.3.4:0"]):
        assert netext.run_ctl("flow", "kill", *arguments).returncode == 2, arguments
    assert netext.run_ctl("flow", "kill", "99999").stderr == "netextctl: flow 99999: there is no such flow (any more)\n"


def test_a_filter_changes_its_verdict(netext, scripted, client, server):
    scripted("* allow")
    process = start_talking(client, ALL)
    scripted.rewrite("* allow", "end port 80")
    assert wait_for_updates(netext, 1) == {"over": len(ALL)}
    assert_silence(server)
    assert_told(client, process, ALL)
    for flow in netext.flows(remote_port=80):
        assert (flow["ended_by"], flow["ended_session"]) == ("filter", "scripted"), flow
    assert netext.run_ctl("flow", "list").stdout.count("closed  by scripted; ended by scripted\n") == len(ALL)
    assert "by scripted, which changed its verdict" in netext.run_ctl("flow", "explain", flow["flow"]).stdout
    # What is over cannot be ended once more; the next flow is another one.
    scripted.rewrite("* allow", "end port 80", "")
    assert wait_for_updates(netext, 2) == {"EALREADY": len(ALL)}
    assert client.tcp(80).error is None and client.udp(80).error is None


def test_a_filter_names_its_own_flows_only(netext, scripted, client, server):
    scripted("default allow")
    process = start_talking(client, [("tcp", Lab.SERVER, 80), ("udp", Lab.SERVER, 80)])
    tcp, udp = (netext.flow(protocol=protocol)["flow"] for protocol in ("tcp", "udp"))
    scripted("default allow", name="late")
    names = [f"end flow {flow}" for flow in (tcp, udp, 0, 123456)]
    scripted.rewrite("default allow", *names, name="late")
    assert wait_for_updates(netext, 1, "late") == {"EPERM": 4}
    assert netext.status()["updates_refused"] == 4
    scripted.rewrite("default allow", *names[:2])
    assert wait_for_updates(netext, 1) == {"over": 2}
    assert client.python_answer(process) == ["ECONNABORTED", "EPERM"]


def assert_going_on(server):
    n = len(server.seen)
    wait_until(lambda: len(server.seen) > n + 10, "what is allowed does not go on")


@pytest.mark.kernel
def test_changed_rules_hold_for_open_flows_on_request(netext, firewall, client, server, serve):
    other = serve(81)
    connected = [one for one in ALL if one[0] == "tcp" or one in HOOKLESS]  # rules meet the datagrams of others anyway
    path = firewall("default allow")
    process = start_talking(client, connected)
    start_talking(client, [("tcp", Lab.SERVER, 81)])
    path.write_text("allow port 443\ndeny port 80\n", encoding="utf-8")
    wait_until(lambda: client.tcp(80).error == "EPERM", "the new rules are not in force")
    assert len(netext.flows(state="open")) == len(connected) + 1
    assert netext.run_ctl("flow", "rejudge").stdout == f"{len(connected)} ended, 1 go on.\n"
    assert_silence(server)
    assert_told(client, process, connected)
    assert_going_on(other)
    ended = netext.flows(ended_by="judged-again")
    assert len(ended) == len(connected)
    for flow in ended:
        assert (flow["state"], flow["decided_by"], flow["reason"], flow["rule"]) == ("closed", "firewall", "rule", "rules:2")
    assert netext.run_ctl("flow", "list").stdout.count("closed  ended by firewall: rules:2\n") == len(connected)
    assert "it was judged again, and denied" in netext.run_ctl("flow", "explain", ended[0]["flow"]).stdout


def test_a_filter_that_was_not_asked_is_asked_on_request(netext, scripted, client, server, serve):
    """The flows go on while it thinks; of those that it was asked about it hears no more."""
    other = serve(81)
    process = start_talking(client, ALL)
    start_talking(client, [("tcp", Lab.SERVER, 81), ("udp", Lab.SERVER, 81)])
    scripted("80 wait refuse", "* allow")
    assert netext.rejudge()[0] == 0
    wait_until(lambda: len(netext.flows(decided_by="scripted", remote_port=81)) == 2, lambda: f"it was not asked: {netext.flows()}")
    assert_going_on(server)
    assert netext.rejudge() == (0, 2, len(ALL), 0)
    scripted.rewrite("80 refuse", "* allow")
    assert_told(client, process, ALL)
    for flow in netext.flows(remote_port=80):
        assert (flow["ended_by"], flow["decided_by"], flow["reason"]) == ("judged-again", "scripted", "provider")
    assert_going_on(other)


def test_a_hundred_flows_end_at_once(netext, scripted, client, server):
    scripted("* allow")
    process = start_talking(client, [("tcp", Lab.SERVER, 80)] * 100, INSIDE)
    scripted.rewrite("* allow", "end port 80")
    assert wait_for_updates(netext, 1) == {"over": 100}
    assert_silence(server)
    assert client.python_answer(process, 30) == ["ECONNABORTED"] * 100


def test_the_end_of_flows_that_do_not_simply_pass(netext, scripted, inspecting, proxy, client, serve):
    """Relayed, behind a proxy that says whose flow it carries on, and looked at by another filter."""
    servers = [serve(port) for port in (80, 81, 82)]
    scripted("* allow")
    inspecting("82 watch")
    proxy("attach yes", "80 splice", "81 claim", "82 decline")
    conversations = [("tcp", Lab.SERVER, 80), ("tcp", Lab.SERVER6, 80)]
    conversations += [(protocol, address, port) for port in (81, 82) for protocol in ("tcp", "udp", "udp-connected")
                      for address in (Lab.SERVER, Lab.SERVER6)]
    process = start_talking(client, conversations)
    asked = netext.flows(pid=process.pid)
    assert len(asked) == len(conversations), asked
    scripted.rewrite("* allow", *(f"end flow {flow['flow']}" for flow in asked))
    assert wait_for_updates(netext, 1) == {"over": len(asked)}
    for server in servers:
        assert_silence(server)
    assert_told(client, process, conversations)
    for flow in netext.flows(pid=process.pid):
        assert (flow["state"], flow["ended_by"], flow["ended_session"]) == ("closed", "filter", "scripted"), flow
    wait_until(lambda: not netext.flows(state="open"), lambda: f"some flows go on: {netext.flows(state='open')}")


def error_of(peer):
    try:
        return peer.recv(100)
    except OSError as error:
        return type(error).__name__


def test_the_end_of_flows_that_others_began(netext, scripted, service, visit, listener, call):
    """What a server and one visitor say to each other is over, and nothing of others."""
    server, datagrams = service(80), listener(81)
    scripted("inbound ask", "* allow")
    for address in (Lab.CLIENT, Lab.CLIENT6):
        visitors, callers = ([way.connect(port, address, timeout=1) for _ in range(2)]
                             for way, port in ((visit, 80), (call, 81)))
        for one in visitors + callers:
            one.send(b"hello")
            assert one.recv(100) == b"hello"
        for one, other in (visitors, callers):
            flow = netext.flow(remote_port=one.getsockname()[1], direction="inbound", remote_address=one.getsockname()[0])
            assert netext.run_ctl("flow", "kill", flow["flow"]).stdout == "1 flow ended.\n"
            assert netext.flow(flow=flow["flow"])["ended_by"] == "person"
            other.send(b"again")
            assert other.recv(100) == b"again"
        assert server.result() == "ConnectionAbortedError" and error_of(visitors[0]) == "ConnectionResetError"
        callers[0].send(b"lost")
        assert error_of(callers[0]) == "TimeoutError"
        callers[1].send(b"and on it goes")
        assert [datagrams.heard()[0] for _ in range(4)] == [5, 5, 5, 14]  # the lost one was none of them
        for one in visitors + callers:
            one.close()
        server.result()


def test_the_end_of_a_flow_that_waits(netext, scripted, client, server):
    """Paused by another filter; the program is refused, and who paused it has nothing left to say."""
    scripted("* allow")
    scripted("80 wait allow", name="slow", order=1)
    processes = [client.start(protocol, Lab.SERVER, 80, "-t", "10000") for protocol in ("tcp", "udp-connected")]
    wait_until(lambda: len(netext.flows(state="held")) == 2, "the flows were not held")
    scripted.rewrite("* allow", "end port 80")
    assert wait_for_updates(netext, 1) == {"over": 2}
    assert [client.answer(process).error for process in processes] == ["ECONNREFUSED"] * 2
    for flow in netext.flows(remote_port=80):
        assert (flow["verdict"], flow["reason"], flow["decided_by"]) == ("refuse", "ended", "scripted")
    scripted.rewrite("80 allow", name="slow")
    assert client.tcp(80).error is None
    assert server.seen == [("tcp", server.seen[0][1], b"hello")]


def test_a_pause_of_datagrams_has_an_end(netext, scripted, inspecting, client, server):
    """After 10 s they are dropped, also where the fail policy would let them pass; a connection waits on."""
    scripted("80 wait allow", fail_policy="open")
    inspecting("81 late 60000", fail_policy="open")
    shown = client.start("udp", Lab.SERVER, 81, "-t", "14000")
    started = time.monotonic()
    processes = [client.start(protocol, Lab.SERVER, 80, "-t", "14000") for protocol in ("tcp", "udp", "udp-connected")]
    wait_until(lambda: len(netext.flows(state="held")) == 3, "the flows were not held")
    wait_until(lambda: len(netext.flows(state="held")) == 1, "the datagrams wait for ever", 14)
    assert 9.9 < time.monotonic() - started < 12
    for flow in netext.flows(protocol="udp", remote_port=80):
        assert (flow["verdict"], flow["reason"], flow["decided_by"]) == ("drop", "pause-timeout", "scripted")
    scripted.rewrite("80 allow")
    assert [client.answer(process).error for process in processes] == [None, "ETIMEDOUT", "ETIMEDOUT"]
    assert client.answer(shown).error == "ETIMEDOUT"
    flow = netext.flow(remote_port=81)
    assert (flow["state"], flow["reason"], flow["ended_session"]) == ("closed", "pause-timeout", "inspecting")
    assert [kind for kind, _, _ in server.seen] == ["tcp"]


def test_an_update_is_in_force_or_an_error(netext, scripted, client, server):
    """flowd dies with the question unread; its successor does not know the flows, and says so."""
    scripted("* allow")
    process = start_talking(client, [("tcp", Lab.SERVER, 80)] * 4)
    with netext.frozen_flowd() as pid:
        scripted.rewrite("* allow", "end port 80")
        wait_until(lambda: netext.run_ctl("status", "--json").returncode == 0, "netextd does not answer")
        os.kill(pid, signal.SIGKILL)
    assert wait_for_updates(netext, 1) == {"ESTALE": 4}
    netext.wait_for_another_flowd(pid)
    netext.wait_for_session("scripted", "running")
    scripted.rewrite("* allow", "end port 80", "")
    assert wait_for_updates(netext, 2) == {"ENOENT": 4}
    n = len(server.seen)
    wait_until(lambda: len(server.seen) > n + 8, "the flows do not go on")
    process.kill()


def test_an_update_races_with_the_programs_own_end(netext, scripted, client, server):
    """Each has one answer; what is said to be over sends nothing more."""
    scripted("* allow")
    code = """
    def one():
        for i in range(20):
            peer = socket.create_connection((address, 80))
            peer.send(b"x")
            time.sleep((0, 0.005, 0.02, 0.3)[i % 4])
            peer.close()
    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    answer = None
    """
    process = client.start_python(code, address=Lab.SERVER)
    client.wait_for_ready(process)
    for i in range(1, 4):
        scripted.rewrite("* allow", "end port 80", *[""] * i)
        wait_for_updates(netext, i)
    process.wait(20)
    scripted.rewrite("* allow", "end port 80")
    assert wait_for_updates(netext, 4) == {"EALREADY": len(netext.flows(remote_port=80))}
    assert all(set(answers) <= {"over", "EALREADY"} for answers in updates(netext))
    assert sum(answers.get("over", 0) for answers in updates(netext)) > 0


def test_a_kernel_that_cannot_end_a_connection(instances, rules, client, server, service, visit):
    """Its segments are refused instead, both ways, and its program hears so when it says something next."""
    netext = instances(environment={"NETEXT_WITHOUT": "sock-destroy"})
    service(81)
    netext.start_session(PROGRAMS / "scripted", "--file", f"script={rules('inbound ask', '* allow', name='script')}")
    conversations = [(protocol, address, 80) for protocol, address in TRANSPORTS]
    process = start_talking(client, conversations)
    with visit.connect(81, timeout=1) as visitor:
        visitor.send(b"hello")
        assert visitor.recv(100) == b"hello"
        assert netext.run_ctl("flow", "kill", "--program", TALKER).stdout == f"{len(conversations) + 1} flows ended.\n"
        assert_silence(server)
        visitor.send(b"lost")
        assert error_of(visitor) == "TimeoutError"
    errors = client.python_answer(process)
    told = {"tcp": {"ECONNRESET"}, "udp": {"EPERM"}, "udp-connected": {"EPERM", "ECONNREFUSED"}}
    assert all(error in told[protocol] for error, (protocol, _, _) in zip(errors, conversations)), errors
    # Who has the same ends later is somebody else.
    answer = client.tcp(80)
    assert netext.run_ctl("flow", "kill", "--remote", ":80").returncode == 1
    process = client.start("tcp", Lab.SERVER, 80, "-s", "-p", str(answer.local_port))
    assert client.answer(process).error is None
    assert netext.run_ctl("flow", "kill", "--remote", ":80").stdout == "1 flow ended.\n"
    process.stdin.close()
    process.wait()
    netext.flows()  # who lists them has seen all ends before; without, it takes flowd some milliseconds
    assert client.tcp(80, Lab.SERVER, "-p", str(answer.local_port)).error is None
