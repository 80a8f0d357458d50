# SPDX-License-Identifier: Apache-2.0
"""Extensions of a team share the folders of the groups that their manifests name, and nobody else reaches them."""
import os
import subprocess

import pytest

from harness.bundles import Signer
from harness.store import TEAM
from harness.wait import wait_until

ONE, OTHER, ALONE, STRANGER = (f"com.example.{name}" for name in ("one", "other", "alone", "stranger"))

# Of each extension: adds its name and pid to a file of the group, and says in its own folder what it can
# read there, and in the team's folder that it is given.
SHARER = """#!/bin/sh
while sleep 0.1; do
    echo "$1 $PPID" >> "$NETEXT_GROUPS_FOLDER/shared/common"
    mkdir -p "$NETEXT_GROUPS_FOLDER/shared/below"
    echo "below/$1 $PPID" >> "$NETEXT_GROUPS_FOLDER/shared/below/common"
    tail -n 20 "$NETEXT_GROUPS_FOLDER/shared/common" "$NETEXT_GROUPS_FOLDER/shared/below/common" "$2/shared/common"
done > "$NETEXT_STATE_FOLDER/seen" 2>&1
"""


@pytest.fixture
def install(store, workshop):
    """install(ONE) has it run, with a group; its pid."""
    script = workshop.folder / "sharer"
    script.write_text(SHARER)
    others = Signer(workshop.folder, "others", "OTHERS")
    workshop.trust_signer(others)

    def install(identifier, team=TEAM, groups=("shared",), version="1.0"):
        bundle = workshop.bundle(identifier, version, groups=groups, team=team, signer=None if team == TEAM else others,
                                 app=(script, identifier, workshop.state / "groups" / TEAM))
        store.activate(bundle, "--approve")
        return store.wait_for_extension_version(version, identifier=identifier)["pid"]

    return install


def test_a_team_shares_a_folder_and_nobody_else_reads_it(store, workshop, install):
    def sees(identifier, text):
        seen = workshop.state / "data" / identifier / "seen"
        wait_until(lambda: seen.exists() and text in seen.read_text(),
                   lambda: f"{identifier} does not see {text!r}: {seen.exists() and seen.read_text()[-2000:]}")

    one, other, alone, stranger = install(ONE), install(OTHER), install(ALONE, groups=()), install(STRANGER, "OTHERS")
    users = [os.stat(f"/proc/{pid}").st_uid for pid in (one, other, alone, stranger)]
    ours, theirs = (workshop.state / "groups" / team / "shared" for team in (TEAM, "OTHERS"))
    for place in ("", "below/"):
        sees(ONE, f"{place}{OTHER} {other}\n")
        sees(OTHER, f"{place}{ONE} {one}\n")
    for outsider in (STRANGER, ALONE):
        sees(outsider, f"{ours}/common' for reading: Permission denied")
    gid = ours.stat().st_gid
    assert (ours.stat().st_uid, oct(ours.stat().st_mode)) == (0, "0o42770") and gid != theirs.stat().st_gid
    assert gid not in users
    for user in (61100, *users):
        done = subprocess.run(["cat", ours / "common"], user=user, group=user, extra_groups=[], capture_output=True)
        assert done.returncode == 1 and b"Permission denied" in done.stderr

    install(ALONE, version="1.1")
    sees(ALONE, f"{OTHER} {other}\n")
    store.instance.kill_netextd()
    store.instance.restart_netextd()
    store.instance.kill(one)
    again = wait_until(lambda: store.extension(ONE).get("pid", one) != one and store.extension(ONE)["pid"], "it is not back")
    sees(OTHER, f"{ONE} {again}\n")
    assert ours.stat().st_gid == gid and store.extension(OTHER)["pid"] == other

    store.do("disable", STRANGER)
    wait_until(lambda: theirs.stat().st_gid == 0, "it stays open to a gid that nobody has")
    store.do("enable", STRANGER)
    sees(STRANGER, f"{STRANGER} {store.wait_for_extension(STRANGER, active=True)['pid']}\n")
    store.do("deactivate", ONE)
    store.do("deactivate", ALONE)
    assert (ours / "common").exists()
    store.do("deactivate", OTHER)
    assert not ours.parent.exists() and theirs.exists()
