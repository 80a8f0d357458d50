# SPDX-License-Identifier: Apache-2.0
"""The bundled firewall: each kind of condition, and how a denied program is told."""
import pytest

from harness.client import MAPPED, TALK, TRANSPORTS
from harness.lab import Lab
from harness.wait import wait_until


def denied_error(protocol):
    return "ECONNREFUSED" if protocol == "udp-connected" else "EPERM"


@pytest.mark.kernel
def test_deny_is_told_at_once_on_every_transport(netext, firewall, client, server):
    firewall("default allow", "deny port 80")
    for protocol, address in TRANSPORTS:
        answer = client.talk(protocol, address, 80)
        assert answer.error in ("EPERM", "ECONNREFUSED"), (protocol, address, answer)
        assert answer.ms < 500
    assert server.seen == []


def test_tcp_and_unconnected_udp_get_eperm(netext, firewall, client, server):
    firewall("deny port 80")
    for protocol in ("tcp", "udp", "udp-connected"):
        assert client.talk(protocol, Lab.SERVER, 80).error == denied_error(protocol)


@pytest.mark.parametrize("rule, denied, passes", [
    ("deny to 198.18.0.2", ("tcp", Lab.SERVER, 80), ("tcp", Lab.SERVER6, 80)),
    ("deny to 198.18.0.0/15", ("tcp", MAPPED, 80), ("tcp", Lab.SERVER6, 80)),
    ("deny to fd00::/8", ("udp", Lab.SERVER6, 80), ("udp", Lab.SERVER, 80)),
    ("deny port 80", ("udp", Lab.SERVER, 80), ("udp", Lab.SERVER, 81)),
    ("deny port 70-80", ("tcp", Lab.SERVER, 80), ("tcp", Lab.SERVER, 81)),
    ("deny protocol udp", ("udp", Lab.SERVER, 80), ("tcp", Lab.SERVER, 80)),
    ("deny direction outbound port 80", ("tcp", Lab.SERVER, 80), ("tcp", Lab.SERVER, 81)),
])
def test_a_condition_matches_what_it_says(netext, firewall, client, serve, rule, denied, passes):
    serve(80), serve(81)
    firewall("default allow", rule)
    assert client.talk(*denied).error == denied_error(denied[0])
    assert client.talk(*passes).error is None


@pytest.mark.kernel
def test_the_program_decides(netext, firewall, client, server):
    firewall(f"allow program {TALK.resolve()}", "default deny")
    assert client.tcp(80).error is None
    curl = client.run("curl", "--silent", "--show-error", "--max-time", "3", f"http://{Lab.SERVER}/")
    assert curl.returncode == 7 and "ms: " in curl.stderr  # "Failed to connect … after 0 ms: …"


def test_the_package_decides(netext, firewall, client, server):
    path = firewall("default deny", "allow package bash", "allow package no-such-package")
    netext.wait_for_message("firewall", f"{path}:3:15: 'no-such-package' is no installed package: nothing is meant")
    say = "exec 3<>/dev/tcp/198.18.0.2/80"
    assert client.run("/bin/bash", "-c", say).returncode == 0
    assert client.tcp(80).error == "EPERM"


def test_packages_are_looked_up_again(netext, rules, client, server, tmp_path):
    status, path = tmp_path / "status", rules("default deny", "allow package bash")
    status.write_text("Package: bash\n", encoding="utf-8")
    done = netext.run_ctl("session", "start", "firewall", "--rules", path, "--file", f"packages={status}")
    assert done.returncode == 0, done.stderr
    rules("nonsense")  # the old rules stay in force, and it is those that are looked up
    netext.wait_for_message("firewall", "'nonsense' is not the start of a line")
    status.with_suffix(".new").write_text("Package: bash\nVersion: 2\n", encoding="utf-8")
    status.with_suffix(".new").rename(status)
    netext.wait_for_message("firewall", "1 rules in force")
    assert client.run("/bin/bash", "-c", "exec 3<>/dev/tcp/198.18.0.2/80").returncode == 0


def test_the_user_decides(netext, firewall, client, server):
    firewall("deny user 61100")
    as_user = ["setpriv", "--reuid", "61100", "--regid", "61100", "--clear-groups"]
    say = ["/bin/bash", "-c", "exec 3<>/dev/tcp/198.18.0.2/80"]
    assert client.run(*say).returncode == 0
    refused = client.run(*as_user, *say)
    assert refused.returncode != 0 and "Operation not permitted" in refused.stderr


def test_the_first_match_wins_and_is_named(netext, firewall, client, server):
    path = firewall("# a comment", "", "allow to 198.18.0.2 port 80", "deny port 80")
    assert client.tcp(80).error is None
    assert client.tcp(80, Lab.SERVER6).error == "EPERM"
    allowed, denied = netext.flow(verdict="allow"), netext.flow(remote_address=Lab.SERVER6)
    assert (allowed["reason"], allowed["rule"]) == ("rule", f"{path.name}:3")
    assert (denied["reason"], denied["rule"]) == ("rule", f"{path.name}:4")
    assert denied["decided_by"] == "firewall" and denied["program"] == str(TALK.resolve())


def test_each_rule_tells_how_many_flows_it_decided(netext, firewall, rules, client, server):
    def counted():
        return [rule["flows"] for rule in netext.ctl("rules", "show", "firewall")]

    firewall("deny port 81", "allow to 198.18.0.2 port 80", "ask port 82 protocol udp", "default allow")
    for port in (80, 81, 81, 83):
        client.tcp(port)
        client.udp(port)
    client.udp(82, Lab.SERVER, "-t", "100")
    wait_until(lambda: counted() == [4, 2, 1, 2], lambda: f"{counted()}")
    netext.ctl("rules", "why", TALK, Lab.SERVER, 80)  # asking is no flow
    rules("deny port 81", "allow to 198.18.0.2 port 80", "deny port 82", "default allow")
    wait_until(lambda: counted() == [4, 2, 0, 0], lambda: f"{counted()}")
    client.tcp(82)
    wait_until(lambda: counted() == [4, 2, 1, 0], lambda: f"{counted()}")


def test_the_default_action_decides_the_rest(netext, firewall, client, server):
    firewall("default deny")
    assert client.tcp(80).error == "EPERM"
    assert netext.flow(remote_port=80)["reason"] == "default-action"
