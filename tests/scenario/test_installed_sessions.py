# SPDX-License-Identifier: Apache-2.0
"""One process of an installed extension runs all its sessions, and each has a life of its own (I04, L13)."""
import json
import os
import pathlib
import signal

import pytest

from harness.instance import started_at
from harness.paths import PROGRAMS
from harness.store import IDENTIFIER as FILTER, TEAM
from harness.wait import wait_until

IDENTIFIER = "com.example.versatile"
# Each kind of session, and the port that it refuses.
KINDS = {"filter": 81, "transparent-proxy": 82, "app-proxy": 83}


@pytest.fixture
def bundle(workshop):
    """bundle("1.0") is the folder of that version."""
    return lambda version: workshop.bundle(
        IDENTIFIER, version, program=PROGRAMS / "versatile", name="Versatile", usage_description="Everything",
        providers=list(KINDS), capabilities=[f"{kind}-provider" for kind in KINDS])


@pytest.fixture
def versatile(store, bundle, serve):
    """The instance where it is active."""
    for port in KINDS.values():
        serve(port)
    store.activate(bundle("1.0"), "--approve")
    return store.instance


def start(netext, kind):
    netext.start_session(f"{TEAM}.{IDENTIFIER}", "--kind", kind, "--name", kind)


def refused(client):
    """The ports where somebody refuses."""
    return {port for port in KINDS.values() if client.tcp(port).error == "ECONNREFUSED"}


def test_each_kind_starts_and_stops_alone(versatile, store, client):
    pid = store.extension(IDENTIFIER)["pid"]
    running = set()
    for step in ("filter", "transparent-proxy", "app-proxy", "filter", "filter", "transparent-proxy", "app-proxy",
                 "filter"):
        if step in running:
            versatile.stop_session(step)
        else:
            start(versatile, step)
        running ^= {step}
        assert refused(client) == {KINDS[kind] for kind in running}
        assert {session["name"]: session["pid"] for session in versatile.sessions()} == dict.fromkeys(running, pid)
    assert store.extension(IDENTIFIER)["pid"] == pid and started_at(pid)


@pytest.mark.parametrize("verb, reason", (("disable", 9), ("deactivate", 10)))
@pytest.mark.parametrize("scope", ("system", "session"))
def test_an_extension_that_may_not_run_decides_nothing(store, workshop, serve, client, scope, verb, reason):
    """Its sessions end with it, whatever their policy says of a provider that is absent, and are told why (B15)."""
    serve(80)
    store.activate(workshop.bundle(scope=scope), "--approve")
    store.instance.start_session(f"{TEAM}.{FILTER}", "--fail-policy", "closed")
    store.do(verb, FILTER)
    wait_until(lambda: not (store.extension(FILTER) or {}).get("active"), "it is active")
    wait_until(lambda: not store.instance.sessions(), "its session is still there")
    assert client.tcp(80).error is None, store.instance.flows()
    wait_until(lambda: f"{FILTER} stops for reason {reason}\n" in store.instance.messages(), store.instance.messages)


def test_a_process_that_dies_comes_back_with_all_of_them(versatile, store, client):
    for kind in KINDS:
        start(versatile, kind)
    pid = store.extension(IDENTIFIER)["pid"]
    os.kill(pid, signal.SIGKILL)
    for kind in KINDS:
        wait_until(lambda: versatile.session(kind).get("pid", pid) != pid, "no other process came")
        assert versatile.wait_for_session(kind, "running")["restarts"] == 1
    assert refused(client) == set(KINDS.values())


def test_a_restarted_netextd_finds_them(versatile, store, client, workshop):
    for kind in KINDS:
        start(versatile, kind)
    versatile.stop_session("filter")
    pid = store.extension(IDENTIFIER)["pid"]
    versatile.kill_netextd()
    versatile.restart_netextd()
    for kind in ("transparent-proxy", "app-proxy"):
        assert versatile.wait_for_session(kind, "running")["pid"] == pid
    start(versatile, "filter")
    assert versatile.session("filter")["pid"] == pid
    assert (workshop.state / "data" / IDENTIFIER).stat().st_uid == versatile.session("filter")["uid"]
    assert refused(client) == set(KINDS.values())


def test_another_version_takes_over_from_all_at_once(versatile, store, bundle, client):
    for kind in KINDS:
        start(versatile, kind)
    before = store.extension(IDENTIFIER)["pid"]
    store.activate(bundle("1.1"))
    assert refused(client) == set(KINDS.values())
    after = {session["pid"] for session in versatile.sessions()}
    assert len(after) == 1 and before not in after
    wait_until(lambda: started_at(before) is None, "the old process did not end", 10)


@pytest.mark.kernel
def test_it_sees_its_own_files_and_the_systems(versatile):
    start(versatile, "filter")
    versatile.wait_for_message("filter", "own folder yes, /etc/passwd yes, /tmp EACCES")


@pytest.mark.kernel
def test_its_memory_and_processes_are_limited(versatile, store):
    """By its cgroup; here perhaps it is only noted what would be in force with the controllers."""
    state = json.loads(pathlib.Path(f"/run/netext/{versatile.name}/state.json").read_text())
    (spec,) = [one["spec"] for one in state["extensions"] if one["name"] == IDENTIFIER]
    assert (spec["memory_max"], spec["pids_max"]) == (1 << 30, 512)
    cgroup = next(pathlib.Path(state["extension_cgroup"]).glob("*/cgroup.procs")).parent
    if (cgroup / "pids.max").exists():
        assert (cgroup / "pids.max").read_text() == "512\n"
        assert (cgroup / "memory.max").read_text() == f"{1 << 30}\n"


def test_nobody_notices_upgrades(versatile, store, bundle, serve, traffic):
    serve(80)
    for kind in KINDS:
        start(versatile, kind)
    with traffic("connect:80", "stream:80"):
        for number in range(1, 11):
            store.activate(bundle(f"1.{number}"))
    (active,) = [one for one in store.list() if one["active"]]
    assert active["version"] == "1.10"
    assert {session["pid"] for session in versatile.sessions()} == {active["pid"]}


@pytest.mark.parametrize("damage", ("gone", "corrupt"))
def test_a_damaged_program_is_seen_and_repairing_it_is_all_it_takes(versatile, store, workshop, client, damage):
    start(versatile, "filter")
    program = next(workshop.state.glob(f"extensions/{IDENTIFIER}/*/bin/filter"))
    away = program.rename(workshop.state.parent / "away")
    if damage == "corrupt":
        program.write_bytes(b"\x7fELF no more")
        program.chmod(0o755)
    os.kill(store.extension(IDENTIFIER)["pid"], signal.SIGKILL)
    broken = store.wait_for_extension(IDENTIFIER, timeout=10, active=False)
    assert broken["enabled"] and broken["last_exit"] == "killed by signal 9 (Killed)", broken
    wait_until(lambda: "bin/filter: file." in store.extension(IDENTIFIER).get("message", ""),
               lambda: f"the cause is not told: {store.extension(IDENTIFIER)}", 10)
    away.replace(program)
    versatile.wait_for_session("filter", "running", 15)
    assert client.tcp(81).error == "ECONNREFUSED"
