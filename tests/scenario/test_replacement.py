# SPDX-License-Identifier: Apache-2.0
"""Another process takes over from an extension's, and no flow notices."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import time

import pytest

from harness.instance import started_at
from harness.paths import PROGRAMS
from harness.wait import wait_until

PROXY = "scripted-proxy"


def replace(netext, name):
    """Returns the pids of the two processes."""
    before = netext.extension_pid(name)
    done = netext.run_ctl("session", "restart", name)
    assert done.returncode == 0, done.stderr + netext.messages()
    after = netext.extension_pid(name)
    assert after != before
    return before, after


def wait_for_end(pid, timeout=10):
    wait_until(lambda: started_at(pid) is None, f"process {pid} did not end", timeout)


def test_a_process_without_flows_ends_when_another_took_over(netext, proxy, client, server):
    proxy("80 claim")
    before, after = replace(netext, PROXY)
    wait_for_end(before)
    assert client.tcp(80).error is None
    session = netext.session(PROXY)
    assert (session["state"], session["pid"], session["restarts"]) == ("running", after, 0)


@pytest.mark.parametrize("what", ("stream:80", "datagrams:80", "stream:81"))
def test_flows_of_the_old_process_go_on(netext, proxy, serve, traffic, what):
    serve(80), serve(81)
    proxy("80 claim", "81 splice")
    with traffic(what):
        before, _ = replace(netext, PROXY)
        assert started_at(before), "it did not wait for its flow"
        assert len(netext.flows(state="open", decided_by=PROXY)) == 1
    wait_for_end(before)


def test_who_leaves_needs_no_flowd_to_know_when(netext, proxy, serve, traffic):
    """The one that knew of its flows is killed, and the next one has never heard of them."""
    serve(80)
    proxy("80 claim")
    with traffic("stream:80"):
        before, _ = replace(netext, PROXY)
        netext.restart_flowd()
        assert started_at(before), "it did not wait for its flow"
    wait_for_end(before)


# What does not go well


def processes(netext):
    """The pids of all that its extensions are."""
    state = json.loads(pathlib.Path(f"/run/netext/{netext.name}/state.json").read_text(encoding="utf-8"))
    return [int(pid) for members in pathlib.Path(state["extension_cgroup"]).glob("*/cgroup.procs")
            for pid in members.read_text(encoding="utf-8").split()]


@pytest.fixture
def program(tmp_path):
    """program("scripted", "/bin/false") puts that where the session's program is."""
    path = tmp_path / "program"

    def put(source):
        shutil.copy(source, tmp_path / "new")
        (tmp_path / "new").replace(path)
        return path

    return put


@pytest.fixture
def filtering(netext, rules, program):
    """The scripted filter, whose program can be replaced; it refuses port 81."""
    script = rules("81 refuse", name="script")
    netext.start_session(program(PROGRAMS / "scripted"), "--file", f"script={script}", "--ready-timeout", "2000")


@pytest.mark.parametrize("successor, problem", (
    ("/bin/false", "the successor was gone before it was ready: exited with status 1"),
    ("/bin/sleep", "the successor was gone before it was ready: exited with status 1"),
    (PROGRAMS / "proxies", "the extension calls itself"),
    (PROGRAMS / "proxy", "the extension calls itself"),
    (__file__, "could not be executed"),
))
def test_a_successor_that_does_not_start_changes_nothing(netext, filtering, client, serve, program, successor,
                                                         problem):
    serve(81)
    pid = netext.extension_pid("scripted")
    program(successor)
    done = netext.run_ctl("session", "restart", "scripted")
    assert done.returncode == 1 and problem in done.stderr, done.stderr
    assert client.tcp(81).error == "ECONNREFUSED"
    session = netext.session("scripted")
    assert (session["pid"], session["state"], session["restarts"]) == (pid, "running", 0)
    wait_until(lambda: processes(netext) == [pid], lambda: f"there are {processes(netext)}, not {pid}")


def test_a_program_that_is_repaired_takes_over(netext, filtering, program):
    program("/bin/false")
    assert netext.run_ctl("session", "restart", "scripted").returncode == 1
    program(PROGRAMS / "scripted")
    replace(netext, "scripted")


def restart_in_background(netext, name):
    return netext.lab.client.start(netext.ctl_command("session", "restart", name), cgroup=netext.lab.daemons.path)


def wait_for_one_process(netext, name, killed, timeout=35):
    """netextd may take one of those that were killed for a running one, for a moment."""

    def one():
        found = netext.session(name)
        return found["state"] == "running" and found["pid"] not in killed and processes(netext) == [found["pid"]]

    wait_until(one, lambda: f"there are {processes(netext)}: {netext.sessions()}\n{netext.messages()}", timeout)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("who", ("incumbent", "successor", "netextd", "flowd"))
def test_who_dies_in_the_middle_takes_nothing_along(netext, filtering, client, serve, traffic, who, seed):
    """The filter's policy is open: what nobody answers for goes on."""
    serve(80), serve(81)
    pick, killed = random.Random(f"{who} {seed}"), set()
    with traffic("connect:80", "stream:80", "datagram:80"):
        for _ in range(3):
            before = processes(netext)
            command = restart_in_background(netext, "scripted")
            time.sleep(pick.uniform(0, 0.1))
            killed.update(fall(netext, who, before))
            command.wait(20)
        wait_for_one_process(netext, "scripted", killed)
    assert client.tcp(81).error == "ECONNREFUSED"


def fall(netext, who, before):
    """Those of the extension's processes that were killed."""
    if who == "netextd":
        netext.kill_netextd()
        netext.restart_netextd()
        return []
    if who == "flowd":
        netext.kill_flowd()
        return []
    those = [pid for pid in processes(netext) if (pid in before) == (who == "incumbent")]
    for pid in those:
        with contextlib.suppress(ProcessLookupError):  # it went by itself
            os.kill(pid, signal.SIGKILL)
    return those
