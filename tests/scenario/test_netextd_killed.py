# SPDX-License-Identifier: Apache-2.0
"""netextd dies: verdicts go on, and a restarted netextd finds everything again."""
import json
import os
import pathlib
import signal

import pytest

from harness.instance import started_at
from harness.paths import PROGRAMS
from harness.wait import wait_until


def test_verdicts_go_on(netext, scripted, client, serve):
    serve(80), serve(81)
    scripted("80 allow", "81 refuse")
    netext.kill_netextd()
    assert client.tcp(80).error is None
    answer = client.tcp(81)
    assert (answer.error, answer.ms < 500) == ("ECONNREFUSED", True)
    netext.restart_netextd()


def test_a_restarted_netextd_finds_flowd_and_the_extension(netext, scripted, client, serve):
    serve(80), serve(81)
    scripted("80 allow", "81 refuse")
    client.tcp(80)
    flowd, extension = netext.flowd_pid(), netext.extension_pid("scripted")
    netext.kill_netextd()
    netext.restart_netextd()
    session = netext.wait_for_session("scripted", "running")
    assert (netext.flowd_pid(), session["pid"]) == (flowd, extension)
    assert session["restarts"] == 0
    assert client.tcp(81).error == "ECONNREFUSED"
    assert len(netext.flows(remote_port=80)) == 1  # from before


def test_a_found_session_can_be_stopped_and_restarted(netext, scripted, client, serve):
    serve(81)
    scripted("81 refuse")
    netext.kill_netextd()
    netext.restart_netextd()
    session = netext.restart_extension("scripted")
    assert client.tcp(81).error == "ECONNREFUSED"
    netext.stop_session("scripted")
    assert started_at(session["pid"]) is None and netext.sessions() == []


def test_sessions_of_one_extension_are_told_apart(netext, scripted, client, serve):
    serve(81), serve(82)
    scripted("81 refuse", name="first")
    scripted("82 refuse", name="second")
    before = {session["name"]: session["pid"] for session in netext.sessions()}
    netext.kill_netextd()
    netext.restart_netextd()
    for name, pid in before.items():
        assert netext.wait_for_session(name, "running")["pid"] == pid
    netext.restart_extension("first")
    assert [client.tcp(port).error for port in (81, 82)] == ["ECONNREFUSED"] * 2
    done = netext.run_ctl("session", "start", PROGRAMS / "scripted", "--name", "second")
    assert "session second is running already" in done.stderr


def test_a_restarted_netextd_knows_what_kind_a_session_is(netext):
    netext.start_session(PROGRAMS / "proxy")
    pid = netext.extension_pid("proxy")
    os.kill(pid, signal.SIGSTOP)  # it cannot say it again
    netext.kill_netextd()
    netext.restart_netextd()
    assert netext.session("proxy")["kind"] == "transparent-proxy"
    assert [place["kind"] for place in netext.ctl("chain")] == ["transparent-proxy"]
    os.kill(pid, signal.SIGCONT)
    netext.wait_for_session("proxy", "running")


def test_a_session_of_a_netextd_that_knew_no_kinds_is_a_filter(netext, scripted):
    scripted("* allow", grade="inspector")
    netext.kill_netextd()
    path = pathlib.Path("/run/netext", netext.name, "state.json")
    state = json.loads(path.read_text("utf-8"))
    session, = state["sessions"]
    del session["kind"], session["configuration"]["kind"]
    path.write_text(json.dumps(state), "utf-8")
    netext.restart_netextd()
    session = netext.wait_for_session("scripted", "running")
    assert (session["kind"], session["grade"]) == ("filter", "inspector")


def test_a_rule_file_that_changed_meanwhile_is_read(netext, firewall, client, server):
    path = firewall("default allow")
    netext.kill_netextd()
    path.write_text("deny port 80\n", encoding="utf-8")
    netext.restart_netextd()
    wait_until(lambda: client.tcp(80).error == "EPERM", "the new rules were not in force")


@pytest.mark.kernel
def test_both_daemons_die(netext, scripted, client, serve):
    serve(80), serve(81)
    scripted("81 refuse")
    netext.kill_flowd()
    netext.kill_netextd()
    netext.restart_netextd()
    netext.wait_for_session("scripted", "running")
    assert client.tcp(81).error == "ECONNREFUSED"
    assert client.tcp(80).error is None


def test_a_session_that_no_flowd_knows_does_not_run(netext, scripted):
    """Both daemons died, and the extension cannot say yet that it is there."""
    scripted("80 allow")
    extension, flowd = netext.extension_pid("scripted"), netext.flowd_pid()
    netext.kill(extension, signal.SIGSTOP)
    netext.kill_netextd()
    os.kill(flowd, signal.SIGKILL)
    wait_until(lambda: started_at(flowd) is None, "flowd did not die")
    netext.restart_netextd()
    state = netext.session("scripted")["state"]
    os.kill(extension, signal.SIGCONT)
    assert state == "starting"
    netext.wait_for_session("scripted", "running")


def test_a_damaged_state_keeps_nobody_from_starting(netext, scripted, client, server):
    """What ran is not known, so it ends; what is said of that stays until somebody has read it."""
    state = pathlib.Path("/run/netext", netext.name, "state.json")
    scripted("80 refuse", fail_policy="closed")
    netext.run_ctl("set", "put", "kept", "-", input="198.18.0.2\n")
    for damage in (state.read_bytes()[:500], b'{"cgroup": 1}'):
        processes = netext.flowd_pid(), netext.extension_pid("scripted")
        netext.kill_netextd()
        state.write_bytes(damage)
        netext.restart_netextd()
        assert netext.sessions() == [] and client.tcp(80).error is None
        for pid in processes:
            wait_until(lambda: started_at(pid) is None, f"process {pid} of the earlier netextd is still there")
        aside = state.with_suffix(".json.damaged")
        assert aside.read_bytes() == damage
        for said in (netext.status()["state_problem"], netext.run_ctl("status").stdout, netext.messages()):
            assert str(aside) in said, said
        assert [one["name"] for one in netext.ctl("set", "list")] == ["kept"]
        aside.unlink()
        assert "state_problem" not in netext.status()
        scripted("80 refuse", fail_policy="closed")
        assert client.tcp(80).error == "ECONNREFUSED"
    with netext.frozen_flowd():  # two flowds of one instance would be in each other's way
        netext.kill_netextd()
        state.write_bytes(b"")
        with pytest.raises(AssertionError, match="before it was ready"):
            netext.restart_netextd()
        assert f"have netext-reset {netext.name} take away what is there" in netext.messages()
        assert state.exists()
    netext.start()
