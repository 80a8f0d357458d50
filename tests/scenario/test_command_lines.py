# SPDX-License-Identifier: Apache-2.0
"""A bad command line gets one sentence that names what is wrong, and does nothing."""
import pytest

from harness.paths import EXTENSIONS, FLOWD, NETEXTCTL, NETEXTD


@pytest.mark.parametrize("arguments, named", [
    (["flwo", "list"], "'flow"),
    (["flow", "lst"], "'flow list'"),
    (["session", "start"], "EXTENSION"),
    (["session", "start", "firewall", "--fail-policy", "opne"], "'open'"),
    (["session", "start", "firewall", "--verdict-timeout", "soon"], "'soon'"),
    (["session", "start", "firewall", "--file", "rules"], "'rules'"),
    (["flow", "explain", "one"], "'one'"),
    (["flow", "list", "--limit", "-1"], "'-1'"),
    (["status", "--jsn"], "'--json'"),
    (["status", "too", "much"], "too"),
    (["--instance", "Not/A/Name", "status"], "Not/A/Name"),
])
def test_netextctl_names_the_word(client, arguments, named):
    done = client.run(NETEXTCTL, *arguments)
    assert done.returncode in (1, 2) and done.stdout == ""
    assert named in done.stderr and done.stderr.startswith("netextctl: ")


def test_netextctl_without_a_daemon_says_what_to_do(client, name):
    done = client.run(NETEXTCTL, "--instance", name, "status")
    assert done.returncode == 1 and name in done.stderr and "netextd" in done.stderr


@pytest.mark.parametrize("arguments, named", [
    (["--instance", "UPPER"], "UPPER"),
    (["--instance", "a" * 41], "a" * 41),
    (["--cgroup", "/nowhere"], "/nowhere"),
    (["--mark-mask", "0"], "mark-mask"),
    (["--mark-mask", "nonsense"], "nonsense"),
    (["--owner-fd", "999"], "999"),
    (["--unknown"], "unknown"),
    (["word"], "word"),
])
def test_netextd_names_the_option(client, name, arguments, named):
    done = client.run(NETEXTD, *(["--instance", name] if "--instance" not in arguments else []), *arguments)
    assert done.returncode != 0 and named in done.stderr


def test_flowd_started_by_hand_explains_itself(client):
    done = client.run(FLOWD)
    assert done.returncode != 0 and "netextd" in done.stderr


def test_an_extension_started_by_hand_explains_itself(client):
    done = client.run(EXTENSIONS / "firewall")
    assert done.returncode == 2 and "netextctl" in done.stderr


def test_sessions_that_cannot_be(netext, scripted, rules):
    scripted("80 allow")
    again = netext.run_ctl("session", "start", netext.session("scripted")["extension"])
    assert again.returncode == 1 and "scripted" in again.stderr
    for arguments, named in ((["session", "start", "nosuch"], "nosuch"), (["session", "stop", "nosuch"], "nosuch"),
                             (["session", "start", "firewall"], "--rules"),
                             (["session", "start", "firewall", "--rules", "/nowhere"], "/nowhere"),
                             (["flow", "explain", "123456789"], "123456789")):
        done = netext.run_ctl(*arguments)
        assert done.returncode == 1 and named in done.stderr
    assert [one["name"] for one in netext.sessions() if one["state"] == "running"] == ["scripted"]
