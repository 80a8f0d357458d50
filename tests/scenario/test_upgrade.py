# SPDX-License-Identifier: Apache-2.0
"""A newer version takes the place of the active one: asked where that is wanted, or rolled back."""
import os
import pathlib
import signal

import pytest

from harness.instance import started_at
from harness.manager import Manager
from harness.store import IDENTIFIER, TEAM
from harness.wait import wait_until


def test_a_newer_version_takes_over_unasked_and_unapproved(store, workshop, client, serve):
    """L11: identifier, team, signer and capabilities are as they were approved."""
    serve(81), serve(82)
    store.activate(workshop.bundle(version="1.0", refuse=81), "--approve")
    store.instance.start_session(IDENTIFIER)
    assert client.tcp(81).error == "ECONNREFUSED"
    record = store.activate(workshop.bundle(version="1.1", refuse=82))
    assert record["status"] == "finished" and record["replaced"] == "1.0 (1.0)"
    assert client.tcp(81).error is None and client.tcp(82).error == "ECONNREFUSED"
    states = {one["version"]: one["state"] for one in store.list()}
    assert states["1.1"] == "activated_enabled" and states.get("1.0", "terminating_for_upgrade") == \
        "terminating_for_upgrade"


def test_a_former_copy_stays_as_long_as_a_process_is_made_of_it(store, workshop):
    """It goes with the last of them, not by the clock, and netextd may be killed in between."""
    store.activate(workshop.bundle(version="1.0"), "--approve")
    former = store.extension()
    store.activate(workshop.bundle(version="1.1"))
    wait_until(lambda: [one["version"] for one in store.list()] == ["1.1"], store.list, 10)
    assert started_at(former["pid"]) is None and not pathlib.Path(former["path"]).exists()

    former = store.extension()
    os.kill(former["pid"], signal.SIGSTOP)
    store.activate(workshop.bundle(version="1.2"))
    store.instance.kill_netextd()
    store.instance.restart_netextd()
    store.wait_for_extension_version("1.2")
    assert started_at(former["pid"]) and pathlib.Path(former["path"], "bin/filter").exists()
    assert {one["version"]: one["state"] for one in store.list()}["1.1"] == "terminating_for_upgrade"
    os.kill(former["pid"], signal.SIGCONT)
    wait_until(lambda: not pathlib.Path(former["path"]).exists(), store.list, 10)
    assert started_at(former["pid"]) is None and [one["version"] for one in store.list()] == ["1.2"]


def test_more_capabilities_are_approved_anew(store, workshop):
    """L11, and meanwhile the version that was approved goes on."""
    store.activate(workshop.bundle(version="1.0"), "--approve")
    number = store.submit(workshop.bundle(version="1.1", capabilities=["filter-provider", "byte-inspection"]))
    store.wait_for(number, "needs-approval")
    assert store.failed(number)["store.approval"]["text"] == "it wants capabilities that were not approved"
    active = {one["version"]: one["active"] for one in store.list()}
    assert active == {"1.0": True, "1.1": False}
    store.do("approve", number)
    assert store.outcome(number)["status"] == "finished"


def test_bytes_are_shown_to_who_may_see_them(store, workshop, client, serve, tmp_path):
    """L22: without the capability the extension fails, and is told what its manifest lacks."""
    serve(82)
    (tmp_path / "inspect").write_text("82\n")
    files = {"resources/inspect": tmp_path / "inspect"}
    store.activate(workshop.bundle(version="1.0", files=files), "--approve")
    store.instance.start_session(IDENTIFIER)
    assert client.tcp(82).error is None  # by the fail policy
    store.instance.wait_for_message(IDENTIFIER, 'it wants to see what flows carry, and has not the capability '
                                                '"byte-inspection": add it to the manifest')
    store.activate(workshop.bundle(version="1.1", files=files, capabilities=["filter-provider", "byte-inspection"]), "--approve")
    store.instance.wait_for_session(IDENTIFIER, "running")
    assert client.tcp(82).error is None
    store.instance.wait_for_message(IDENTIFIER, "saw ")


def test_a_version_that_does_not_start_leaves_the_old_one(store, workshop, client, serve):
    serve(81)
    store.activate(workshop.bundle(version="1.0", refuse=81), "--approve")
    store.instance.start_session(IDENTIFIER)
    pid = store.extension()["pid"]
    said = store.refused("activate", workshop.bundle(version="1.1", fate="dies"))
    assert "1 unknown" in said and "exited with status 3" in said
    assert client.tcp(81).error == "ECONNREFUSED"
    old = store.wait_for_extension(active=True)
    assert (old["version"], old["pid"]) == ("1.0", pid)
    assert "version 1.1 (1.1) did not take over" in old["message"]
    assert [one for one in store.why() if one["check"] == "store.replacement"][0]["result"] == "warned"


@pytest.fixture
def ask(store):
    """ask(bundle) submits, to be asked whether to replace: the client and the request's number."""
    clients = []

    def submit(bundle):
        clients.append(Manager(store.instance.name))
        return clients[-1], clients[-1].activate(bundle)

    yield submit
    for client in clients:
        client.close()


def test_who_was_asked_says_replace_or_cancel(store, workshop, ask):
    store.activate(workshop.bundle(version="1.0"), "--approve")
    for version, answer, status in (("1.1", False, "failed"), ("1.2", True, "finished")):
        asking, number = ask(workshop.bundle(version=version))
        record = store.wait_for(number, "needs-reply")
        assert record["replaced"] == "1.0 (1.0)" and record["content_changed"] is False
        asking.reply(number, answer)
        assert store.outcome(number)["status"] == status
    assert store.wait_for_extension_version("1.2")


def test_a_question_ends_with_who_was_asked(store, workshop):
    """L01."""
    store.activate(workshop.bundle(version="1.0"), "--approve")
    asking = Manager(store.instance.name)
    number = asking.activate(workshop.bundle(version="1.0", refuse=7))
    assert store.wait_for(number, "needs-reply")["content_changed"] is True
    asking.close()
    canceled = store.outcome(number)
    assert canceled["error"] == 11 and "was not there any more" in canceled["message"]
    assert store.extension()["active"]


def test_developers_replace_the_same_version(store, workshop):
    """L03."""
    store.activate(workshop.bundle(), "--approve")
    before = store.extension()
    store.do("developer", "on")
    record = store.activate(workshop.bundle(refuse=82))
    assert record["status"] == "finished" and record["content_changed"] is True
    assert store.wait_for_extension_version("1.0", digest=record["digest"])["digest"] != before["digest"]


def test_the_same_bundle_several_times_at_once_is_installed_once(store, workshop):
    workshop.write_policy(AllowedTeamIdentifiers=[TEAM])
    wait_until(lambda: store.instance.ctl("extension", "policy"), "the policy was not read")
    bundle = workshop.bundle()
    outcomes = [store.outcome(number) for number in [store.submit(bundle) for _ in range(5)]]
    assert {outcome.get("error") for outcome in outcomes} <= {None, 12}, outcomes
    assert outcomes[-1]["status"] == "finished"
    active = store.wait_for_extension(active=True)
    assert (pathlib.Path(active["path"]) / "bin/filter").exists()
    assert store.failed() == {} and store.instance.ctl("extension", "gc") == {"removed": 0}


def test_what_is_asked_for_while_it_is_taken_away_comes_back(store, workshop):
    workshop.write_policy(AllowedTeamIdentifiers=[TEAM])
    wait_until(lambda: store.instance.ctl("extension", "policy"), "the policy was not read")
    bundle = workshop.bundle()
    store.activate(bundle)
    gone = int(store.do("deactivate", IDENTIFIER, "--no-wait"))
    back = store.submit(bundle)
    assert store.outcome(gone)["status"] == "finished" and store.outcome(back)["status"] == "finished"
    active = store.wait_for_extension(active=True)
    assert active["request"] == back and (pathlib.Path(active["path"]) / "bin/filter").exists()


def test_back_to_a_version_whose_last_flows_are_ending(store, workshop):
    old, new = workshop.bundle(version="1.0"), workshop.bundle(version="1.1")
    store.activate(old, "--approve")
    store.activate(new)
    store.activate(old, "--replace")
    active = store.wait_for_extension_version("1.0")
    assert (pathlib.Path(active["path"]) / "bin/filter").exists()
