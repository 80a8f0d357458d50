# SPDX-License-Identifier: Apache-2.0
"""What a service was told to do, it does after its own end too: sessions and sets are there until somebody ends them."""
import json
import pathlib
import shutil

import pytest

from harness.lab import Lab
from harness.paths import PROGRAMS
from harness.store import IDENTIFIER, Store
from harness.wait import wait_until

SESSIONS = {"firewall", "late", "proxy", "packets", "installed"}
OF_A_PROCESS = {"pid", "uid", "running_since_ns", "message"}


@pytest.fixture
def netext(workshop, instances):
    return instances(arguments=[*workshop.arguments, "--keep-configuration"])


@pytest.fixture
def again(netext):
    """again() is an orderly end, and another start; files are changed in between by again(change)."""

    def restart(change=lambda: None):
        netext.stop()
        change()
        netext.start()

    return restart


def configured(netext):
    """All that was said of sessions and sets, and in which order they come."""
    sessions = [{key: value for key, value in one.items() if key not in OF_A_PROCESS} for one in netext.sessions()]
    return sessions, netext.ctl("chain"), netext.ctl("set", "list"), netext.ctl("set", "show", "malware")


def wait_until_all_run(netext):
    for one in netext.sessions():
        netext.wait_for_session(one["name"], "running")


def put(netext, name, *lines):
    assert netext.run_ctl("set", "put", name, "-", input="".join(f"{line}\n" for line in lines)).returncode == 0


def test_sessions_and_sets_outlive_an_orderly_end(netext, again, workshop, firewall, scripted, proxy, packets, client,
                                                  serve):
    serve(80), serve(81)
    firewall("deny to set:malware port 80", fail_policy="last-rules")
    Store(netext).activate(workshop.bundle(refuse=82), "--approve")
    netext.start_session(IDENTIFIER, "--name", "installed", "--fail-policy", "closed")
    scripted("83 refuse", "* allow", name="late", grade="inspector", order=-3)
    proxy("84 claim", name="proxy", ready_timeout=7000)
    packets("out any 17 any", name="packets")
    put(netext, "malware", Lab.SERVER, "malware.example")
    put(netext, "other", "198.18.1.0/24")
    before = configured(netext)
    again()
    assert {one["name"] for one in netext.sessions()} == SESSIONS
    wait_until_all_run(netext)
    assert configured(netext) == before
    assert [client.tcp(port).error for port in (80, 81, 82, 83)] == ["EPERM", None, "ECONNREFUSED", "ECONNREFUSED"]

    netext.stop_session("installed")
    netext.stop_session("late")
    netext.kill_netextd()
    netext.restart_netextd()  # it finds what runs, and starts nothing beside it
    wait_until_all_run(netext)
    pids = [one["pid"] for one in netext.sessions()]
    assert len(pids) == len(set(pids)) == 3 and client.tcp(80).error == "EPERM"
    put(netext, "malware", "198.18.1.0/24")
    netext.run_ctl("set", "remove", "other")
    netext.kill_netextd()
    for name in ("state.json", "sets.json"):
        pathlib.Path("/run/netext", netext.name, name).write_bytes(b"{")
    netext.restart_netextd()  # it cannot know what runs, and begins anew
    assert "its sessions began anew" in netext.status()["state_problem"]
    assert {one["name"] for one in netext.sessions()} == SESSIONS - {"installed", "late"}
    wait_until_all_run(netext)
    assert [one["name"] for one in netext.ctl("set", "list")] == ["malware"] and client.tcp(80).error is None


def test_what_cannot_start_or_be_read_stands_in_nobodys_way(netext, again, workshop, firewall, rules, client, server):
    program, away = (workshop.state.parent / name for name in ("closed", "away"))
    shutil.copy(PROGRAMS / "scripted", program)
    netext.start_session(program, "--file", f"script={rules('* allow', name='script')}", "--fail-policy", "closed")
    again(lambda: program.rename(away))
    assert client.tcp(80).error == "ECONNREFUSED"
    assert "No such file" in netext.wait_for_session("scripted", "failed")["message"]
    away.rename(program)
    netext.wait_for_session("scripted", "running")
    assert client.tcp(80).error is None

    firewall("deny to set:malware port 80")
    put(netext, "malware", Lab.SERVER)
    store = Store(netext)
    store.activate(workshop.bundle(), "--approve")
    netext.start_session(IDENTIFIER, "--name", "installed")
    sets, sessions = (workshop.state / f"{name}.json" for name in ("sets", "sessions"))
    kept = json.loads(sessions.read_bytes())
    kept["sessions"][0]["slot"] = 64
    store.do("disable", IDENTIFIER)
    store.wait_for_extension(state="activated_disabled")

    def damage():
        sets.write_bytes(sets.read_bytes()[:-40])
        sessions.write_text(json.dumps(kept))

    again(damage)
    netext.wait_for_session("firewall", "running")
    assert client.tcp(80).error is None and netext.ctl("set", "list") == []
    assert {one["name"] for one in netext.sessions()} == {"firewall", "installed"}
    assert "disabled" in netext.wait_for_session("installed", "failed")["message"]
    store.do("enable", IDENTIFIER)
    netext.wait_for_session("installed", "running")
    for path in (sets, sessions):
        for said in (netext.status()["store_problem"], netext.messages()):
            assert f"{path.name}.damaged-" in said, said

    text = sessions.read_bytes()
    store.do("disable", IDENTIFIER)
    store.wait_for_extension(state="activated_disabled")
    again(lambda: sessions.write_bytes(text))
    netext.stop_session("installed")

    def extensions():
        state = json.loads(pathlib.Path("/run/netext", netext.name, "state.json").read_bytes())
        return [one["name"] for one in state["extensions"]]

    wait_until(lambda: extensions() == ["firewall"], lambda: f"{extensions()} are tried for nobody")
