# SPDX-License-Identifier: Apache-2.0
"""One program is installed with one process for all its sessions, or with a process for each (L25)."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

from harness.instance import as_user, started_at
from harness.paths import PROGRAMS
from harness.store import Store
from harness.wait import wait_until

IDENTIFIER = "com.example.versatile"
# Each kind of session, and the port that it refuses.
KINDS = {"filter": 81, "transparent-proxy": 82, "app-proxy": 83}
PROXIES = {"transparent-proxy": 84, "app-proxy": 85}  # and the port that it answers itself
NOBODY = 65534


@pytest.fixture
def netext(workshop, instances):
    return instances(arguments=[*workshop.arguments, "--keep-configuration"])


@pytest.fixture
def store(netext):
    return Store(netext)


@pytest.fixture
def bundle(workshop):
    """bundle("1.0", "session") is the folder of that version."""
    return lambda version, scope, **manifest: workshop.bundle(
        IDENTIFIER, version, program=PROGRAMS / "versatile", providers=list(KINDS), scope=scope,
        capabilities=[f"{kind}-provider" for kind in KINDS], **manifest)


@pytest.fixture
def install(store, bundle, serve):
    """install("session") has it run with that scope, and a session of each kind."""

    def install(scope):
        for port in KINDS.values():
            serve(port)
        store.activate(bundle("1.0", scope), "--approve")
        for kind in KINDS:
            store.instance.start_session(IDENTIFIER, "--kind", kind, "--name", kind)

    return install


def pids(netext):
    return {session["name"]: session["pid"] for session in netext.sessions()}


def refused(client):
    """The ports where somebody refuses."""
    return {port for port in KINDS.values() if client.tcp(port).error == "ECONNREFUSED"}


def wait_for_end(pid):
    wait_until(lambda: started_at(pid) is None, f"process {pid} did not end", 10)


def wait_for_sessions(netext):
    for kind in KINDS:
        netext.wait_for_session(kind, "running")


def test_the_system_scope_is_one_process_that_stays(netext, store, install, client):
    install("system")
    (pid,) = set(pids(netext).values())
    for kind in KINDS:
        netext.stop_session(kind)
    assert store.extension(IDENTIFIER)["pid"] == pid and started_at(pid)
    assert refused(client) == set()


def test_the_session_scope_is_a_process_that_goes_with_its_session(netext, store, install, client):
    install("session")
    before = pids(netext)
    assert len(set(before.values())) == 3 and refused(client) == set(KINDS.values())
    listed = store.extension(IDENTIFIER)
    assert listed["active"] and set(map(int, listed["pids"].split())) == set(before.values())
    assert " ".join(map(str, before.values())) in store.do("list")
    said = [check["text"] for check in store.why(IDENTIFIER) if check["check"] == "process"]
    assert said == [f"{kind}: it runs, pid {pid}" for kind, pid in before.items()]
    for kind, pid in list(before.items()):
        netext.stop_session(kind)
        wait_for_end(pid)
        del before[kind]
        assert pids(netext) == before and refused(client) == {KINDS[one] for one in before}


def test_a_process_that_dies_takes_no_other_sessions_flows_along(netext, store, install, client, traffic):
    install("session")
    before = pids(netext)
    with traffic("stream:85"):
        os.kill(before["transparent-proxy"], signal.SIGKILL)
        netext.wait_for_session("transparent-proxy", "running", instead_of=before["transparent-proxy"])
    session, others = netext.session("transparent-proxy"), {"filter", "app-proxy"}
    assert (session["restarts"], session["last_exit"]) == (1, "killed by signal 9 (Killed)")
    assert all(netext.session(one)["restarts"] == 0 and pids(netext)[one] == before[one] for one in others)
    assert refused(client) == set(KINDS.values()) and store.extension(IDENTIFIER)["restarts"] == 1


def test_each_process_is_replaced_by_itself_and_no_flow_notices(netext, store, bundle, install, client, traffic):
    install("session")
    before = pids(netext)
    with traffic("stream:84", "stream:85"):
        store.activate(bundle("1.1", "session"))
        after = pids(netext)
        assert len(set(after.values()) | set(before.values())) == 6
        wait_for_end(before["filter"])
        assert all(started_at(before[kind]) for kind in PROXIES), "one did not wait for its flow"
        assert [netext.session(kind)["leaving"] for kind in KINDS] == [0, 1, 1]
        (former, active) = sorted(store.list(), key=lambda one: one["version"])
        assert set(map(int, active["pids"].split())) == set(after.values()) and active["leaving"] == 2
    for kind in PROXIES:
        wait_for_end(before[kind])
    assert store.extension(IDENTIFIER)["version"] == "1.1" and refused(client) == set(KINDS.values())


def test_a_version_that_fails_in_one_session_is_taken_back_in_all(netext, store, bundle, install, client, workshop,
                                                                  traffic):
    install("session")
    before = pids(netext)
    with traffic("stream:84", "stream:85"):
        said = store.refused("activate", bundle("1.1", "session", fate="fails"))
        assert "it was not replaced" in said, said
        wait_for_sessions(netext)
        assert pids(netext)["app-proxy"] == before["app-proxy"] and refused(client) == set(KINDS.values())
    wait_until(lambda: [one["version"] for one in store.list() if one["active"]] == ["1.0"] == [
        one["version"] for one in store.list()], store.list)
    assert set(map(int, store.extension(IDENTIFIER)["pids"].split())) == set(pids(netext).values())
    (copy,) = workshop.state.glob(f"extensions/{IDENTIFIER}/*")


def test_a_restarted_netextd_finds_them_and_a_service_starts_them_again(netext, store, install, client):
    install("session")
    before = pids(netext)
    netext.kill_netextd()
    netext.restart_netextd()
    wait_for_sessions(netext)
    assert pids(netext) == before
    netext.stop()
    netext.start()
    wait_for_sessions(netext)
    after = pids(netext)
    assert len(set(after.values())) == 3 and refused(client) == set(KINDS.values())
    os.kill(after["filter"], signal.SIGKILL)  # it is looked after by the store as one that was started today
    netext.wait_for_session("filter", "running", instead_of=after["filter"])


def test_what_does_not_start_is_answered_and_a_better_version_starts_it(netext, store, bundle, client, serve):
    serve(KINDS["app-proxy"])
    store.activate(bundle("1.0", "session", fate="fails"), "--approve")
    done = netext.run_ctl("session", "start", IDENTIFIER, "--kind", "app-proxy", "--name", "app-proxy")
    assert done.returncode == 1 and "session app-proxy failed: " in done.stderr, done.stderr
    session = netext.session("app-proxy")
    assert (session["state"], session["restarts"]) == ("failed", 0) and not store.extension(IDENTIFIER)["active"]
    store.activate(bundle("1.1", "session"))
    netext.wait_for_session("app-proxy", "running")
    assert client.tcp(KINDS["app-proxy"]).error == "ECONNREFUSED"


def test_another_version_has_no_other_scope(store, bundle):
    for scope, other in (("session", "system"), ("system", "session")):
        store.activate(bundle("1.0", scope), "--approve")
        assert f"scope: is '{other}', and that of the active version is '{scope}'" in store.refused(
            "activate", bundle("1.1", other))
        store.do("deactivate", IDENTIFIER)


RULES = 'polkit.addRule(function(action, subject) { return polkit.Result.YES; });'


def test_the_state_of_a_session_is_its_users_alone(workshop, instances, system_bus, bundle):
    system_bus.polkitd(RULES)
    netext = instances(arguments=workshop.arguments, environment=system_bus.environment)
    store = Store(netext)
    store.activate(bundle("1.0", "session"), "--approve")

    def start(user, name):
        call = ["busctl", f"--address=unix:path={system_bus.socket}", "call", f"org.netext1.{netext.name}",
                "/org/netext1", "org.netext1.Manager", "StartSession", "a{sv}", "3",
                "extension", "s", IDENTIFIER, "kind", "s", "filter", "name", "s", name]
        netext.lab.client.run([*as_user(user), *call])
        netext.wait_for_message(name, "own folder yes")
        return netext.session(name)

    one, other = start(0, "one"), start(NOBODY, "other")
    folders = [workshop.state / "data" / IDENTIFIER / user / name for user, name in (("0", "one"), (str(NOBODY), "other"))]
    for session, own, others in ((one, *folders), (other, *reversed(folders))):
        assert own.stat().st_uid == session["uid"] and (own / "here").exists()
        done = subprocess.run(["cat", others / "here"], user=session["uid"], group=session["uid"], extra_groups=[],
                              capture_output=True)
        assert b"Permission denied" in done.stderr, done
    netext.stop_session("other")
    assert folders[1].stat().st_uid == 0 and (folders[1] / "here").exists()
    start(0, "other")  # the same name, and not the same user
    assert folders[1].stat().st_uid == 0 and (folders[0].parent / "other/here").exists()
    store.do("deactivate", IDENTIFIER)
    assert not folders[0].parent.parent.exists()
