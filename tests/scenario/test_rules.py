# SPDX-License-Identifier: Apache-2.0
"""Which rules are in force, and what they would decide: by the judge that decides."""
from harness.client import TALK
from harness.lab import Lab
from harness.namespace import run
from harness.paths import NETEXTCTL


def test_rules_are_shown_and_judged(netext, firewall, scripted, resolver):
    path = firewall("deny user 61100", "allow to example.test port 80 protocol tcp", 'deny program "/opt/my app"',
                    "ask direction any port 81-90", "deny to 198.18.0.0/15 port 91", "deny signer EXAMPLE.com.example.app",
                    "deny direction inbound local 198.18.0.0/24 local-port 22 port 1-1023", "loopback include", "default allow")
    scripted("80 allow", name="second")
    assert resolver("www.example.test") == Lab.SERVER

    def why(*words, program=TALK):
        found = netext.ctl("rules", "why", program, *words)
        return [(one["session_name"], one["action"], one.get("label", one.get("reason"))) for one in found]

    second = ("second", "ask", None)
    assert why(Lab.SERVER, 80) == [("firewall", "allow", f"{path.name}:2"), second]
    assert why("WWW.example.test", 80) == [("firewall", "allow", f"{path.name}:2"), second]
    assert why(Lab.SERVER, 80, "--udp") == [("firewall", "allow", "default-action"), second]
    assert why(Lab.SERVER, 80, "--user", "61100") == [("firewall", "deny", f"{path.name}:1")]
    assert why(Lab.SERVER, 99, program="/opt/my app") == [("firewall", "deny", f"{path.name}:3")]
    assert why("198.19.0.1", 91) == [("firewall", "deny", f"{path.name}:5")]
    assert why("127.0.0.1", 80) == [("firewall", "allow", "default-action"), second]
    assert why(Lab.SERVER, 85) == [("firewall", "ask", f"{path.name}:4"), second]
    assert why(Lab.SERVER, 1000, "--inbound", "--local", Lab.CLIENT, "--local-port", 22) == [
        ("firewall", "deny", f"{path.name}:7")]
    for local in (["--local", "198.19.0.1", "--local-port", 22], ["--local", Lab.CLIENT, "--local-port", 23],
                  ["--local-port", 22], ["--local", Lab.CLIENT]):
        assert why(Lab.SERVER, 1000, "--inbound", *local)[0] == ("firewall", "allow", "default-action")
    assert "expected --inbound" in netext.run_ctl("rules", "why", TALK, Lab.SERVER, 80, "--local-port", 22).stderr
    assert "resolved that name" in netext.run_ctl("rules", "why", TALK, "unknown.test", 80).stderr

    shown = netext.run_ctl("rules", "show", "firewall").stdout.splitlines()[1:]
    assert [line.split(maxsplit=3) for line in shown[:-1]] == [[f"{path.name}:{n}", action, "0", rest] for n, action, rest in (
        (1, "deny", "user 61100"), (2, "allow", "to domain example.test port 80 protocol tcp"),
        (3, "deny", 'program "/opt/my app"'), (4, "ask", "port 81-90"), (5, "deny", "to 198.18.0.0/15 port 91"),
        (6, "deny", "signer EXAMPLE.com.example.app"),
        (7, "deny", "direction inbound port 1-1023 local 198.18.0.0/24 local-port 22"))]
    assert shown[-1].split(maxsplit=3)[::3] == ["default", "(what this host says to itself is looked at, too)"]
    everything = netext.ctl("rules", "show")
    assert [(one["session"], len(one["rules"])) for one in everything] == [("firewall", 8), ("second", 0)]
    assert netext.run_ctl("rules", "show", "third").stderr.endswith('there is no session "third"\n')


def test_a_flow_s_way_through_the_chain_is_shown_before_it_takes_it(netext, scripted, proxy, client, server):
    """D07: what is printed is what happens, filters and proxies alike."""
    proxy("80 claim", name="late", kind="app-proxy")
    proxy("80 decline", name="early", order=-1)
    scripted("80 allow", name="filter")
    shown = netext.run_ctl("rules", "why", TALK, Lab.SERVER, 80).stdout.splitlines()[1:]
    assert [line.split(maxsplit=2)[:2] for line in shown] == [["filter", "ask"], ["early", "offered"], ["late", "offered"]]
    assert shown[1].endswith("a rule of its own")
    assert [one["session"] for one in netext.ctl("chain")] == ["filter", "early", "late"]
    answer = client.tcp(80)
    assert answer.error is None and netext.flow(local_port=answer.local_port)["decided_by"] == "late"


def test_a_rule_file_is_checked_without_a_daemon(rules):
    def check(*words):
        return run([NETEXTCTL, "rules", "check", *words], check=False)

    path = rules("deny port 25", "# a comment", "\tdeny prot tcp", "ask to \x1b[31m", "allow user nobody-such")
    done = check(path)
    assert done.returncode == 1 and "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{path}:3:7: 'prot' is not a clause: expected ")
    assert lines[1:3] == ["   deny prot tcp", "        ^"] and lines[3].startswith(f"{path}:4:8: ")
    found = check(path, "--json").stdout
    assert '"line": 3, "column": 7' in found
    path = rules("allow package no-such-package")
    done = check(path)
    assert done.returncode == 0 and f"{path}:1:15: 'no-such-package' is no installed package" in done.stdout
    assert '"n_problems": 0' in check(path, "--json").stdout and '"n_remarks": 1' in check(path, "--json").stdout
    nowhere = ["unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /var/lib; exec "$@"', "sh"]
    done = run([*nowhere, NETEXTCTL, "rules", "check", path], check=False)
    assert done.returncode == 1 and (f"{path}:1:15: 'no-such-package' cannot be looked up: there is neither dpkg's "
                                     "database in /var/lib/dpkg nor rpm's in /var/lib/rpm") in done.stdout
    assert check(rules("ask", name="good")).stdout.endswith("/good: 1 rules, no problem\n")
