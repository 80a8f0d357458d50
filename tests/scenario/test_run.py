# SPDX-License-Identifier: Apache-2.0
"""netextctl run: one command under filters, the rest of the machine untouched."""
import json
import shutil

import pytest

from harness import guard, snapshot
from harness.client import TALK
from harness.namespace import run
from harness.paths import CGROUP2, NETEXTCTL, PROGRAMS, STAGE

OUTSIDE = CGROUP2  # a person's shell is not in the lab's cgroup


@pytest.fixture
def netext_run(lab):
    """netextctl run, in the client's namespace, which is as before afterwards."""
    before = snapshot.of_namespace(lab.client)
    yield lambda *arguments, **kwargs: lab.client.run([NETEXTCTL, "run", *arguments], cgroup=OUTSIDE,
                                                      check=False, **kwargs)
    assert snapshot.of_namespace(lab.client) == before


@pytest.mark.parametrize("command, status", [
    (["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -TERM $$"], 143),
    (["/nowhere/nothing"], 127), (["/etc/passwd"], 126),
])
def test_the_exit_status_is_the_commands(netext_run, rules, command, status):
    assert netext_run("--rules", rules("default allow"), "--", *command).returncode == status


def test_the_umask_is_the_commands(lab, rules):
    done = lab.client.run(["sh", "-c", 'umask 077; exec "$@"', "sh", NETEXTCTL, "run", "--rules", rules("default allow"),
                           "--", "sh", "-c", "umask"], cgroup=OUTSIDE, check=False)
    assert (done.returncode, done.stdout) == (0, "0077\n"), done.stderr


def test_rules_hold_for_the_command_and_its_children_only(netext_run, rules, client, server, lab):
    talk = f"{TALK} tcp {lab.SERVER} 80"
    done = netext_run("--rules", rules("deny port 80"), "--", "sh", "-c", f"({talk}); true")
    assert '"EPERM"' in done.stdout
    assert client.tcp(80).error is None
    assert client.tcp(80, cgroup=OUTSIDE).error is None


def test_a_summary_of_its_flows_follows(netext_run, rules, server, lab):
    path = rules("deny to fd00::/8", "allow port 80")
    done = netext_run("--rules", path, "--", "sh", "-c",
                      f"{TALK} tcp {lab.SERVER} 80 >/dev/null; {TALK} tcp {lab.SERVER6} 80 >/dev/null")
    for fact in ("talk", lab.SERVER, lab.SERVER6, f"{path.name}:1", f"{path.name}:2", "allow", "refuse"):
        assert fact in done.stderr, done.stderr
    assert done.stdout == ""  # that is the command's own


def test_each_extension_is_what_it_provides(netext_run, rules):
    done = netext_run("--with", f"{PROGRAMS / 'proxy'},firewall", "--rules", rules("default allow"), "--",
                      NETEXTCTL, "chain", "--json")
    assert [(place["session"], place["kind"]) for place in json.loads(done.stdout)] == [
        ("firewall", "filter"), ("proxy", "transparent-proxy")]


def test_the_kind_of_an_extension_that_provides_several(netext_run, rules):
    done = netext_run("--with", f"{PROGRAMS / 'proxies'}:app-proxy", "--", NETEXTCTL, "chain", "--json")
    assert [(place["session"], place["kind"]) for place in json.loads(done.stdout)] == [("proxies", "app-proxy")]


def test_each_extension_has_its_own_rules(netext_run, rules, upstream, server, lab):
    """As the manuals say it: a firewall, and a relay behind it."""
    upstream("socks5", 1080)
    web = rules("default deny", "allow port 80", name="web.rules")
    office = rules(f"upstream office socks5 {lab.SERVER}:1080", "via office port 80", "default ignore",
                   name="office.rules")
    for arguments in (["--with", f"firewall={web},relay={office}"], ["--rules", web, "--with", f"relay={office}"]):
        done = netext_run(*arguments, "--", "sh", "-c", f"{TALK} tcp {lab.SERVER} 80; {TALK} tcp {lab.SERVER} 81")
        via, denied = map(json.loads, done.stdout.splitlines())
        assert (via["error"], via["answers"], denied["error"]) == (None, 1, "EPERM"), done.stderr
        assert "by relay" in done.stderr


def test_what_a_run_has_no_word_for_its_command_says(netext_run, rules, upstream, server, lab):
    upstream("socks5", 1080, credentials=("user", "password"))
    office = rules(f"upstream office socks5 {lab.SERVER}:1080 credentials office.secret", "default via office",
                   name="office.rules")
    secret = rules("user:password", name="office.secret")
    done = netext_run("--", "sh", "-c", f"{NETEXTCTL} session start relay --rules {office} "
                      f"--file office.secret={secret} && {TALK} tcp {lab.SERVER} 80")
    assert json.loads(done.stdout)["error"] is None and "by relay" in done.stderr


@pytest.mark.parametrize("arguments, said", [
    (["--with", "relay:nonsense"], "'nonsense' is no kind of session; there are filter, transparent-proxy"),
    (["--with", ":filter"], "--with is EXTENSION[:KIND][=RULES], not ':filter'"),
    (["--with", "relay=/nowhere/rules"], "cannot read '/nowhere/rules'"),
    (["--with", "firewall=/dev/null", "--rules", "/dev/null"], "has its rules from --with already"),
    (["--with", "relay:app-proxy"], "the extension provides transparent-proxy, not app-proxy"),
    (["--with", PROGRAMS / "proxies"], "with --with NAME:KIND"),
])
def test_an_extension_that_cannot_be_runs_nothing(netext_run, arguments, said):
    done = netext_run(*arguments, "--", "echo", "ran")
    assert done.returncode == 125 and done.stdout == "" and said in done.stderr


def test_the_rules_of_another_extension_are_not_the_firewalls(netext_run, rules):
    """Who gives the relay's rules by --rules is told how to."""
    office = rules("upstream office socks5 198.18.0.2:1080", "default via office")
    done = netext_run("--with", "relay", "--rules", office, "--", "echo", "ran")
    assert done.returncode == 125 and f"{office}:1:1" in done.stderr and "--with NAME=FILE" in done.stderr


def test_stdin_and_arguments_are_the_commands(netext_run, rules):
    done = netext_run("--rules", rules("default allow"), "--", "sh", "-c", 'cat; echo "$@"', "sh", "--json", "--x",
                      input="in\n")
    assert done.stdout == "in\n--json --x\n"


def test_a_run_inside_a_run(netext_run, rules, server, lab):
    outer, inner = rules("deny port 81", name="outer"), rules("deny port 80", name="inner")
    talk = f"{TALK} tcp {lab.SERVER}"
    done = netext_run("--rules", outer, "--", NETEXTCTL, "run", "--rules", inner, "--", "sh", "-c",
                      f"{talk} 80; {talk} 81; {talk} 82")
    errors = [line.split('"error": ')[1].split(",")[0] for line in done.stdout.splitlines()]
    assert errors == ['"EPERM"', '"EPERM"', '"ECONNREFUSED"'], done.stderr


def test_bad_rules_run_nothing(netext_run, rules):
    path = rules("allow everything")
    done = netext_run("--rules", path, "--", "echo", "ran")
    assert done.returncode == 125 and done.stdout == "" and f"{path}:1:7" in done.stderr
    assert "channel" not in done.stderr  # how it ended inside is of no use to who wrote the rules


def test_where_ip_netns_exec_hides_the_cgroups(rules, name):
    """R-47."""
    path = rules("loopback include", "deny to 127.0.0.1 port 9")
    run(["ip", "netns", "add", name])
    try:
        run(["ip", "-n", name, "link", "set", "lo", "up"])
        done = run(["ip", "netns", "exec", name, NETEXTCTL, "run", "--rules", path, "--", TALK, "tcp", "127.0.0.1", 9],
                   check=False)
    finally:
        run(["ip", "netns", "del", name])
    assert '"EPERM"' in done.stdout, done.stderr


def test_from_a_folder_that_only_root_may_enter(lab, rules, tmp_path):
    """As homes are: flowd and extensions, which are not root, start all the same."""
    private = tmp_path / "private"
    shutil.copytree(STAGE, private / "usr", symlinks=True)
    private.chmod(0o700)
    done = lab.client.run([private / "usr" / "bin" / "netextctl", "run", "--rules", rules("deny port 80"), "--",
                           TALK, "tcp", lab.SERVER, 80], cgroup=OUTSIDE, check=False)
    assert '"EPERM"' in done.stdout, done.stderr


@pytest.mark.xdist_group("machine")
def test_on_the_machines_own_network(rules):
    """By loopback only: the rest of it is not ours to try things on."""
    before = guard.network()
    path = rules("loopback include", "deny to 127.0.0.1 port 9")
    done = run([NETEXTCTL, "run", "--rules", path, "--", TALK, "tcp", "127.0.0.1", "9"], check=False)
    assert '"EPERM"' in done.stdout, done.stderr
    assert guard.network() == before
