# SPDX-License-Identifier: Apache-2.0
"""A changed rule file is taken over as a whole, or not at all."""
import os

from harness.wait import wait_until


def replace(path, *lines):
    """As editors do: a new file under the old name."""
    new = path.with_suffix(".new")
    new.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    os.replace(new, path)


def test_a_changed_file_is_read_again(netext, firewall, client, server):
    path = firewall("default allow")
    assert client.tcp(80).error is None
    replace(path, "deny port 80")
    wait_until(lambda: client.tcp(80).error == "EPERM", "the new rules were not in force")
    path.write_text("allow port 80\ndefault deny\n", encoding="utf-8")  # in place
    wait_until(lambda: client.tcp(80).error is None, "the newest rules were not in force")


def test_a_bad_file_is_named_and_the_old_rules_stay(netext, firewall, client, server):
    path = firewall("deny port 80")
    replace(path, "allow port 80", "allow prot 81")
    wait_until(lambda: f"{path}:2:7: 'prot'" in netext.message("firewall"),
               lambda: f"nothing was said about the bad file: {netext.sessions()}")
    assert "the old rules stay in force" in netext.message("firewall")
    assert netext.session("firewall")["state"] == "running"
    assert client.tcp(80).error == "EPERM"


def test_a_bad_file_at_the_start_starts_nothing(netext, rules, client, server):
    path = rules("deny port http")
    done = netext.run_ctl("session", "start", "firewall", "--rules", path)
    assert done.returncode == 1
    assert f"{path}:1:11" in done.stderr and "'http'" in done.stderr
    assert [one for one in netext.sessions() if one["state"] == "running"] == []
    assert client.tcp(80).error is None


def test_at_every_moment_one_of_the_two_sets_is_in_force(netext, firewall, client, server):
    """Both deny port 80, by different rules: a gap between them would let a connection pass."""
    sets = [["deny port 80"] + [f"deny to fd00::{n:x}" for n in range(1, 300)],
            [f"allow to fd01::{n:x}" for n in range(1, 300)] + ["deny to 198.18.0.0/15"]]
    path = firewall(*sets[0])
    for turn in range(1, 20):
        replace(path, *sets[turn % 2])
        for _ in range(10):
            assert client.tcp(80).error == "EPERM"
