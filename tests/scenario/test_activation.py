# SPDX-License-Identifier: Apache-2.0
"""Extensions are staged, approved, enabled, replaced and taken away; requests have one outcome each."""
import pytest

from harness.bundles import Signer, run
from harness.instance import started_at
from harness.store import IDENTIFIER, TEAM
from harness.wait import wait_until


def test_an_approved_extension_runs_and_decides_flows(store, workshop, client, serve):
    serve(81)
    assert store.activate(workshop.bundle(refuse=81), "--approve")["status"] == "finished"
    extension = store.extension()
    assert extension["enabled"] and extension["active"] and extension["pid"] > 0
    assert extension["state"] == "activated_enabled" and not extension["developer"]
    store.instance.start_session(f"{TEAM}.{IDENTIFIER}")
    assert client.tcp(81).error == "ECONNREFUSED"
    assert store.instance.flow(remote_port=81)["decided_by"] == IDENTIFIER


def test_an_archive_is_installed_like_its_folder(store, workshop, tmp_path):
    folder = workshop.bundle()
    archive = tmp_path / "filter.nxt"
    run("tar", "--format=pax", "-C", folder, "-cf", archive, ".")
    store.activate(archive, "--approve")
    digest = store.extension()["digest"]
    assert store.activate(folder)["message"] == "it is active already"
    assert store.extension()["digest"] == digest


def test_without_approval_nothing_runs(store, workshop):
    number = store.submit(workshop.bundle())
    store.wait_for(number, "needs-approval")
    waiting = store.extension()
    assert waiting["state"] == "activated_waiting_for_user" and waiting["awaiting_approval"]
    assert not waiting["enabled"] and "pid" not in waiting
    assert store.failed()["store.approval"]["text"].startswith("no administrator approved it yet")
    store.do("approve", f"{TEAM}.{IDENTIFIER}")
    assert store.outcome(number)["status"] == "finished", store.request(number)
    assert store.wait_for_extension(active=True)["enabled"]


def test_of_two_requests_only_the_approved_one_finishes(store, workshop):
    """L02."""
    one, other = (store.submit(workshop.bundle(identifier=f"com.example.{name}")) for name in ("one", "other"))
    for number in (one, other):
        store.wait_for(number, "needs-approval")
    store.do("approve", other)
    assert store.outcome(other)["identifier"] == "com.example.other"
    assert store.request(one)["status"] == "needs-approval"
    store.do("refuse", "com.example.one")
    refused = store.outcome(one)
    assert (refused["error"], refused["error_name"]) == (11, "canceled")
    assert [one["identifier"] for one in store.list()] == ["com.example.other"]


def test_the_outcome_can_be_asked_for_when_netextd_was_restarted(store, workshop):
    number = store.activate(workshop.bundle(), "--approve")["request"]
    store.instance.kill_netextd()
    store.instance.restart_netextd()
    assert store.request(number)["status"] == "finished"
    assert store.submit(workshop.bundle()) == number + 1


def test_approval_is_for_identifier_team_signer_and_capabilities(store, workshop, tmp_path):
    """L11: a deactivated one is asked about again, and so is another signer."""
    other = Signer(tmp_path, "other", TEAM)
    workshop.trust_signer(other)
    store.activate(workshop.bundle(), "--approve")
    store.do("deactivate", IDENTIFIER)
    number = store.submit(workshop.bundle())
    store.wait_for(number, "needs-approval")
    newer = store.submit(workshop.bundle(version="1.1", signer=other))
    store.wait_for(newer, "needs-approval")
    superseded = store.outcome(number)
    assert superseded["error"] == 12 and f"request {newer}" in superseded["message"]


def test_another_content_in_the_same_version_is_told(store, workshop):
    """L03."""
    store.activate(workshop.bundle(refuse=81), "--approve")
    digest = store.extension()["digest"]
    said = store.refused("activate", workshop.bundle(refuse=82))
    assert "11 canceled" in said and "same version (1.0 (1.0)) with another content" in said
    assert store.extension()["digest"] == digest and store.extension()["active"]


def test_an_older_version_does_not_replace_unasked(store, workshop):
    store.activate(workshop.bundle(version="1.10"), "--approve")
    said = store.refused("activate", workshop.bundle(version="1.9"))
    assert "11 canceled" in said and "active in version 1.10 (1.10)" in said


def test_an_identifier_belongs_to_one_team(store, workshop, tmp_path):
    stranger = Signer(tmp_path, "stranger", "STRANGER")
    workshop.trust_signer(stranger)
    store.activate(workshop.bundle(), "--approve")
    said = store.refused("activate", workshop.bundle(version="2.0", team="STRANGER", signer=stranger))
    assert "6 duplicate-identifier" in said and f"of team {TEAM}" in said
    assert store.extension()["team"] == TEAM


def test_an_extension_that_does_not_start_is_not_installed(store, workshop):
    said = store.refused("activate", workshop.bundle(fate="dies"), "--approve")
    assert "1 unknown" in said and "exited with status 3" in said
    wait_until(lambda: store.list() == [], lambda: f"it stays: {store.list()}")
    wait_until(lambda: workshop.staged() == [], lambda: f"left: {workshop.staged()}")


def test_nothing_is_left_of_a_deactivated_extension(store, workshop):
    store.activate(workshop.bundle(), "--approve")
    pid = store.extension()["pid"]
    store.instance.start_session(IDENTIFIER)
    record = store.instance.ctl("extension", "deactivate", f"{TEAM}.{IDENTIFIER}")
    assert (record["kind"], record["status"]) == ("deactivate", "finished")
    assert store.list() == [] and workshop.staged() == []
    assert started_at(pid) is None
    assert f'there is no extension "{IDENTIFIER}"' in store.refused("deactivate", IDENTIFIER)


def test_a_disabled_extension_stays_and_does_not_run(store, workshop):
    store.activate(workshop.bundle(), "--approve")
    store.do("disable", IDENTIFIER)
    store.wait_for_extension(state="activated_disabled", active=False)
    assert "pid" not in store.extension() and "store.switch" in store.failed()
    store.instance.kill_netextd()
    store.instance.restart_netextd()
    assert store.extension()["state"] == "activated_disabled"
    store.do("enable", IDENTIFIER)
    store.wait_for_extension(active=True)


def test_enabled_extensions_start_with_netextd(store, workshop):
    store.activate(workshop.bundle(), "--approve")
    store.instance.stop()
    store.instance.start()
    again = store.wait_for_extension(active=True)
    assert again["enabled"] and again["restarts"] == 0


def test_a_signer_whom_nobody_knows_is_for_developers(store, workshop, tmp_path):
    """L15, L16: flagged, and gone with the mode."""
    unknown = Signer(tmp_path, "unknown", TEAM)
    bundle = workshop.bundle(signer=unknown)
    assert "8 signature-invalid" in store.refused("activate", bundle)
    assert "signature.chain" in store.failed()
    store.do("developer", "on")
    store.activate(bundle, "--approve")
    assert store.extension()["developer"] and store.extension()["active"]
    store.activate(workshop.bundle(signer=unknown, identifier="com.example.other"), "--approve")
    store.do("developer", "off")
    for identifier in (IDENTIFIER, "com.example.other"):
        store.wait_for_extension(identifier, state="activated_disabled", active=False)
    assert "developer mode is off" in store.failed()["store.developer"]["text"]


@pytest.mark.parametrize("what, code, check", [
    (lambda bundle: (bundle / "bin/filter").unlink(), 8, "file.missing"),
    (lambda bundle: (bundle / "resources/new").write_text("x"), 8, "file.unlisted"),
    (lambda bundle: (bundle / "signature/files.p7s").unlink(), 8, "signature.missing"),
])
def test_a_bundle_that_is_not_in_order_is_refused_with_its_check(store, workshop, what, code, check):
    """L05: the reason is the real one, and why has it."""
    bundle = workshop.bundle()
    what(bundle)
    number = store.submit(bundle)
    refused = store.outcome(number)
    assert (refused["status"], refused["error"]) == ("failed", code) and check in refused["message"]
    assert check in store.failed(number)
    assert store.list() == [] and workshop.staged() == []


def test_a_missing_bundle_is_named_with_what_is_near(store, workshop):
    """L05."""
    bundle = workshop.bundle()
    said = store.refused("activate", f"{str(bundle)[:-1]}")
    assert f"there is no 'bundle-' in {bundle.parent}/; did you mean 'bundle-1'?" in said
    said = store.refused("activate", bundle.parent / IDENTIFIER)
    assert f"there is no '{IDENTIFIER}' in {bundle.parent}/; its bundle is 'bundle-1' there" in said


def test_a_reset_takes_all_away(store, workshop):
    for name in ("one", "other"):
        store.activate(workshop.bundle(identifier=f"com.example.{name}"), "--approve")
    assert store.instance.ctl("extension", "reset") == {"extensions": 2}
    wait_until(lambda: store.list() == [] and workshop.staged() == [], lambda: f"left: {workshop.staged()}")


def test_orphans_are_collected(store, workshop):
    store.activate(workshop.bundle(groups=["shared"]), "--approve")
    before = workshop.staged()
    for orphan in ("staging/77", "extensions/com.example.gone/0123", "data/com.example.gone",
                   f"extensions/{IDENTIFIER}/0123", f"groups/{TEAM}/gone", "groups/GONE/shared",
                   f"keys/vault/{TEAM}.com.example.gone"):
        (workshop.state / orphan).mkdir(parents=True)
        (workshop.state / orphan / "file").write_text("x")
    assert store.instance.ctl("extension", "gc") == {"removed": 7}
    assert workshop.staged() == before and [path.name for path in workshop.state.glob("groups/*/*")] == ["shared"]
    assert not (workshop.state / "extensions" / IDENTIFIER / "0123").exists()
    assert store.extension()["active"]


def test_from_nothing_to_decided_traffic_in_five_commands(store, workshop, client, serve, tmp_path):
    """L15: no account, no network. What there is, is a bundle that nobody signed yet."""
    serve(81)
    bundle = workshop.bundle(refuse=81)
    for path in (bundle / "signature").iterdir():
        path.unlink()
    for command in (["extension", "keygen", "--team", TEAM, tmp_path / "my"],
                    ["extension", "sign", "--key", tmp_path / "my.key", bundle],
                    ["extension", "developer", "on"],
                    ["extension", "activate", "--approve", bundle],
                    ["session", "start", IDENTIFIER]):
        done = store.instance.run_ctl(*command)
        assert done.returncode == 0, done
    assert client.tcp(81).error == "ECONNREFUSED"
    assert store.extension()["developer"]


@pytest.mark.parametrize("category", ["endpoint-security", "driver", "camera"])
def test_other_categories_have_the_life_and_no_process(store, workshop, category):
    store.activate(workshop.bundle(category=category, providers=[], capabilities=[]), "--approve")
    installed = store.extension()
    assert installed["enabled"] and not installed["active"] and "pid" not in installed
    assert installed["category"] == category
    assert "nothing runs of it" in store.instance.run_ctl("session", "start", IDENTIFIER).stderr
    store.do("deactivate", IDENTIFIER)
    assert store.list() == [] and workshop.staged() == []


def test_what_waits_goes_on_when_netextd_ended_in_order(store, workshop):
    number = store.submit(workshop.bundle())
    store.wait_for(number, "needs-approval")
    store.instance.stop()
    store.instance.start()
    assert store.request(number)["status"] == "needs-approval"
    store.do("approve", number)
    assert store.outcome(number)["status"] == "finished"
