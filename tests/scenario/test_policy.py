# SPDX-License-Identifier: Apache-2.0
"""What the administrator's policy files allow and forbid, whenever they come."""
import pytest

from harness.bundles import Signer
from harness.store import IDENTIFIER, TEAM
from harness.wait import wait_until


def listed(*identifiers):
    return {TEAM: list(identifiers or [IDENTIFIER])}


def in_force(store, name="office.json"):
    """Until the file is read; its records."""

    def read():
        return [one for one in store.instance.ctl("extension", "policy") if one["file"] == name]

    return wait_until(read, lambda: f"no policy {name}: {store.instance.messages()}")


def test_policy_before_software_and_after_it_end_the_same(store, workshop):
    """L06, and nobody is asked."""
    workshop.write_policy(AllowedSystemExtensions=listed())
    in_force(store)
    store.activate(workshop.bundle())
    first = store.extension()
    store.do("deactivate", IDENTIFIER)
    policy = workshop.policy / "office.json"
    policy.unlink()
    wait_until(lambda: not store.instance.ctl("extension", "policy"), "the policy stays")
    number = store.submit(workshop.folder / "bundle-1")
    store.wait_for(number, "needs-approval")
    workshop.write_policy(AllowedSystemExtensions=listed())
    assert store.outcome(number)["status"] == "finished"
    second = store.extension()
    for key in ("state", "enabled", "active", "managed", "digest"):
        assert first[key] == second[key], key


def test_a_policy_that_goes_takes_along_what_it_allowed(store, workshop):
    """Since 11.3: and one that comes back brings it back."""
    policy = workshop.write_policy(AllowedTeamIdentifiers=[TEAM])
    in_force(store)
    store.activate(workshop.bundle())
    assert store.extension()["managed"]
    policy.unlink()
    waiting = store.wait_for_extension(state="activated_waiting_for_user", active=False)
    assert "pid" not in waiting and not waiting["managed"]
    workshop.write_policy(AllowedTeamIdentifiers=[TEAM])
    store.wait_for_extension(active=True)


def test_what_an_administrator_approved_stays_without_policy(store, workshop):
    store.activate(workshop.bundle(), "--approve")
    policy = workshop.write_policy(AllowedTeamIdentifiers=[TEAM])
    in_force(store)
    policy.unlink()
    wait_until(lambda: not store.instance.ctl("extension", "policy"), "the policy stays")
    assert store.extension()["active"]


DAEMON = 1  # a user that every Debian has


def logged_in(store, uid, *arguments):
    """netextctl as root, who logged in as another user: what sudo leaves in audit's hands."""
    argv = ["/bin/sh", "-c", 'echo "$0" >/proc/self/loginuid && exec "$@"', str(uid),
            *store.instance.ctl_command("extension", *map(str, arguments))]
    done = store.instance.lab.client.run(argv, check=False)
    assert done.returncode == 0, done


def test_each_capability_says_who_granted_it(store, workshop):
    """L19: what is in effect, by which approval or which line of a policy, also after a restart."""
    number = store.submit(workshop.bundle(capabilities=["filter-provider", "network-client"]))
    store.wait_for(number, "needs-approval")
    waiting = store.instance.ctl("extension", "inspect", IDENTIFIER)
    assert [(one["capability"], one["effective"], one["granted_by"]) for one in waiting] == \
        [("filter-provider", False, "nobody"), ("network-client", False, "nobody")]
    logged_in(store, DAEMON, "approve", number)
    assert store.outcome(number)["status"] == "finished"

    before = store.instance.ctl("extension", "inspect", f"{TEAM}.{IDENTIFIER}")
    assert len(before) == 2 and all(one["effective"] and one["asked_for_by"] == "signer" for one in before)
    for one in [*before, store.extension()]:
        assert (one["granted"], one["granted_by"]) == ("approval", "daemon (uid 1) as root"), one
        assert (one["approved_uid"], one["approved_login"], one["approved_request"]) == (0, DAEMON, number), one
        assert one["granted_ns"] >= one["approved_ns"] > store.request(number)["submitted_ns"]
    assert store.extension()["capabilities"] == "filter-provider network-client"

    policy = workshop.policy / "office.json"
    policy.write_text('{\n  "AllowedSystemExtensions": {\n    "%s": ["com.example.other",\n      "%s"]\n  }\n}\n' % (TEAM, IDENTIFIER))
    by_policy = store.wait_for_extension(granted="policy")
    assert by_policy["granted_by"] == f"office.json:4 (AllowedSystemExtensions.{TEAM})" and by_policy["policy_line"] == 4
    assert f"office.json:4 (AllowedSystemExtensions.{TEAM})" in store.do("list")
    store.instance.kill_netextd()
    store.instance.restart_netextd()
    again = store.wait_for_extension(active=True)
    assert {key: again[key] for key in again if "granted" in key} == {key: by_policy[key] for key in by_policy if "granted" in key}
    policy.unlink()
    store.wait_for_extension(granted="approval", granted_by="daemon (uid 1) as root", active=True)

    store.do("developer", "on")
    store.activate(workshop.bundle(identifier="com.example.mine", signer=Signer(workshop.folder, "unknown", TEAM)), "--approve")
    mine = store.extension("com.example.mine")
    assert (mine["granted_by"], mine["developer_by"]) == ("root", "root") and mine["developer_ns"] < mine["granted_ns"]
    number = store.submit(workshop.bundle(identifier="com.example.refused"))
    store.wait_for(number, "needs-approval")
    logged_in(store, DAEMON, "refuse", number)
    assert store.outcome(number)["message"] == "an administrator refused it: daemon (uid 1) as root"


def test_nobody_overrides_where_that_is_not_allowed(store, workshop):
    workshop.write_policy(AllowUserOverrides=False)
    in_force(store)
    said = store.refused("activate", workshop.bundle(), "--approve")
    assert "10 forbidden-by-policy" in said and "office.json: AllowUserOverrides is false" in said
    assert store.list() == [] and workshop.staged() == []


def test_a_type_that_is_not_allowed_stops_what_runs(store, workshop):
    store.activate(workshop.bundle(), "--approve")
    workshop.write_policy(AllowedSystemExtensionTypes={TEAM: ["DriverExtension"]})
    stopped = store.wait_for_extension(state="activated_disabled", active=False)
    assert "AllowedSystemExtensionTypes" in stopped["message"] and "store.policy" in store.failed()
    (workshop.policy / "office.json").unlink()
    store.wait_for_extension(active=True)


def test_unknown_keys_are_recorded_and_nothing_else(store, workshop):
    """L08."""
    workshop.write_policy(AllowedTeamIdentifiers=[TEAM], Quantum={"deep": [1, {"er": None}]},
                          AllowedSystemExtensionTypes={TEAM: ["NetworkExtension", "Later"]})
    warnings = {one["warning"] for one in in_force(store)}
    assert warnings == {'"Quantum" is no key that this version knows',
                        f'AllowedSystemExtensionTypes.{TEAM}: "Later" is no type that this version knows'}
    store.activate(workshop.bundle())


def test_a_broken_file_leaves_in_force_what_it_said(store, workshop):
    policy = workshop.write_policy(AllowedTeamIdentifiers=[TEAM])
    in_force(store)
    policy.write_text('{"AllowedTeamIdentifiers": 7}', encoding="utf-8")

    def problem():
        return in_force(store)[0].get("problem")

    assert wait_until(problem, "the broken policy was not read") == \
        "AllowedTeamIdentifiers: expected an array of strings, found a number"
    assert in_force(store)[0]["in_force"]
    store.activate(workshop.bundle())
    store.instance.stop()
    store.instance.start()
    after = in_force(store)[0]
    assert after["in_force"] and after["problem"].startswith("AllowedTeamIdentifiers: ")
    assert store.wait_for_extension(active=True)["granted_by"] == "office.json:1 (AllowedTeamIdentifiers)"
    never = workshop.write_policy("never", AllowUserOverrides=7)
    assert not in_force(store, "never.json")[0]["in_force"]
    never.unlink()
    policy.chmod(0o666)
    wait_until(lambda: "others than root" in in_force(store)[0].get("problem", ""), "anybody's policy was read")
    store.instance.stop()
    policy.unlink()
    store.instance.start()
    assert store.instance.ctl("extension", "policy") == [], "a file that is gone says nothing"
    store.wait_for_extension(state="activated_waiting_for_user")
    assert not list((workshop.state / "policy").iterdir())


def test_a_folder_that_comes_later_is_read(store, workshop):
    moved = workshop.policy.rename(workshop.folder / "elsewhere")
    (moved / "late.json").write_text('{"AllowedTeamIdentifiers": ["%s"]}' % TEAM, encoding="utf-8")
    number = store.submit(workshop.bundle())
    store.wait_for(number, "needs-approval")
    moved.rename(workshop.policy)
    assert store.outcome(number)["status"] == "finished"


# The verbs of an administrator: root, or whom polkit takes for one (test_permission.py).
ACTIONS = {
    "remove": ("extension", "deactivate", IDENTIFIER),
    "disable": ("extension", "disable", IDENTIFIER),
    "stop": ("session", "stop", IDENTIFIER),
}


@pytest.mark.parametrize("key, refused", [
    ("RemovableSystemExtensions", set()),
    ("NonRemovableFromUISystemExtensions", {"disable", "stop"}),
    ("NonRemovableSystemExtensions", {"remove", "disable", "stop"}),
])
def test_what_may_not_be_removed_and_what_may_not_be_disabled_are_two_things(store, workshop, key, refused):
    """L07."""
    workshop.write_policy(**{key: listed()})
    in_force(store)
    store.activate(workshop.bundle(), "--approve")
    store.instance.start_session(IDENTIFIER)
    before = store.extension()["pid"], store.instance.session(IDENTIFIER)["state"]
    for action in refused:
        done = store.instance.run_ctl(*ACTIONS[action])
        assert done.returncode == 1 and f"office.json has it in {key}.{TEAM}" in done.stderr, done
    assert (store.extension()["pid"], store.instance.session(IDENTIFIER)["state"]) == before
    for action in [action for action in ("stop", "disable", "remove") if action not in refused]:
        done = store.instance.run_ctl(*ACTIONS[action])
        assert done.returncode == 0, done


def test_without_policy_a_user_may_nothing_and_an_administrator_all(store, workshop):
    """L07: root is who may, until the policy says less."""
    store.activate(workshop.bundle(), "--approve")
    store.instance.start_session(IDENTIFIER)
    for command in ACTIONS.values():
        done = store.instance.run_ctl_of(65534, *command)
        assert done.returncode == 1 and "only an administrator may" in done.stderr, done
    assert store.extension()["active"] and store.instance.session(IDENTIFIER)["state"] == "running"
    for action in ("stop", "disable", "remove"):
        assert store.instance.run_ctl(*ACTIONS[action]).returncode == 0


def test_what_is_removable_a_user_removes_and_does_not_disable(store, workshop):
    """L07: nobody is asked."""
    workshop.write_policy(RemovableSystemExtensions=listed())
    in_force(store)
    store.activate(workshop.bundle(), "--approve")
    store.instance.start_session(IDENTIFIER)
    for action in ("stop", "disable"):
        assert store.instance.run_ctl_of(65534, *ACTIONS[action]).returncode == 1
    assert store.extension()["active"] and store.instance.session(IDENTIFIER)["state"] == "running"
    done = store.instance.run_ctl_of(65534, *ACTIONS["remove"])
    assert done.returncode == 0, done
    assert store.list() == [] and workshop.staged() == []
