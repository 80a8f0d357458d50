# SPDX-License-Identifier: Apache-2.0
"""Named sets of destinations: what is in one changes, and nothing is restarted (D09)."""
import pytest

from harness.lab import Lab
from harness.wait import wait_until

PROXIED, DIRECT = "claim", "allow"


@pytest.fixture
def sets(netext, tmp_path):
    """sets("os-update", "198.18.0.0/15", …) puts a set; returns the command's end."""

    def put(name, *lines):
        path = tmp_path / f"set-{name}"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return netext.run_ctl("set", "put", name, path)

    return put


@pytest.fixture
def verdict(netext, client, server):
    """verdict() is what became of one more connection to the server."""

    def connect(address=Lab.SERVER):
        answer = client.tcp(80, address)
        assert answer.error is None
        return netext.flow(local_port=answer.local_port)["verdict"]

    return connect


@pytest.mark.kernel
def test_a_proxy_excludes_what_is_in_the_set_now(netext, proxy, sets, verdict):
    proxy("80 splice", "exclude set:os-update")
    pids = netext.flowd_pid(), netext.extension_pid("scripted-proxy")
    assert verdict() == PROXIED  # there is no such set
    for lines, expected in ((["198.18.0.0/24"], DIRECT), (["198.18.1.0/24"], PROXIED), ([Lab.SERVER], DIRECT),
                            (["# nothing"], PROXIED)):
        assert sets("os-update", *lines).returncode == 0
        assert verdict() == expected, lines
    assert (netext.flowd_pid(), netext.extension_pid("scripted-proxy")) == pids


def test_a_set_has_both_families_in_it(proxy, sets, verdict):
    proxy("80 splice", "exclude set:os-update")
    sets("os-update", "fd00::/8")
    assert (verdict(), verdict(Lab.SERVER6)) == (PROXIED, DIRECT)
    sets("os-update", "198.18.0.0/15 # and nothing else")
    assert (verdict(), verdict(Lab.SERVER6)) == (DIRECT, PROXIED)


def test_a_set_is_removed_and_put_again_under_rules_that_name_it(netext, firewall, sets, client, server):
    firewall("deny to set:blocked port 80")
    assert client.tcp(80).error is None
    sets("blocked", Lab.SERVER)
    assert client.tcp(80).error == "EPERM"
    assert netext.run_ctl("set", "remove", "blocked").returncode == 0
    assert client.tcp(80).error is None
    sets("blocked", Lab.SERVER)
    assert client.tcp(80).error == "EPERM"
    assert client.udp(80).error == "EPERM"


def test_domains_of_a_set_are_what_programs_resolved(netext, firewall, sets, client, server, resolver):
    firewall("deny to set:blocked port 80")
    sets("blocked", "nowhere.test", "Example.test")
    assert client.tcp(80).error is None  # nobody asked for the name yet
    assert resolver("ads.example.test") == Lab.SERVER
    assert client.tcp(80).error == "EPERM"
    sets("blocked", "nowhere.test", "other.test")
    assert client.tcp(80).error is None
    sets("blocked", "198.18.1.1", "example.test")  # the name is known from before
    assert client.tcp(80).error == "EPERM"


def test_a_bad_file_leaves_the_old_content(netext, firewall, sets, client, server):
    firewall("deny to set:blocked port 80")
    sets("blocked", "# the server", Lab.SERVER)
    done = sets("blocked", "fd00::1", "  198.18.0.1/15")
    assert done.returncode == 1
    assert "set-blocked:2:3: '198.18.0.1/15' is not a network" in done.stderr and "198.18.0.0/15" in done.stderr
    assert netext.ctl("set", "show", "blocked") == [{"network": Lab.SERVER}]
    assert client.tcp(80).error == "EPERM"


def test_what_is_shown_can_be_put(netext, sets):
    sets("b", "FD00::/8", "198.18.0.1", "Example.ORG.")
    shown = netext.run_ctl("set", "show", "b").stdout
    assert shown == "fd00::/8\n198.18.0.1\nexample.org\n"
    assert netext.run_ctl("set", "put", "a", "-", input=shown).returncode == 0
    assert [(one["name"], one["networks"], one["domains"]) for one in netext.ctl("set", "list")] \
        == [("a", 2, 1), ("b", 2, 1)]
    assert netext.ctl("set", "show", "a") == netext.ctl("set", "show", "b")


@pytest.mark.parametrize("arguments, named", [
    (("put", "Not A Name", "/dev/null"), "Not A Name"),
    (("put", "a", "/nowhere"), "/nowhere"),
    (("show", "nothing"), "nothing"),
    (("remove", "nothing"), "nothing"),
])
def test_a_complaint_names_the_word(netext, arguments, named):
    done = netext.run_ctl("set", *arguments)
    assert done.returncode == 1 and named in done.stderr


def test_a_line_that_is_not_utf_8_is_named(netext, tmp_path):
    path = tmp_path / "latin"
    path.write_bytes(b"198.18.0.1\n# b\xfccher\n")
    assert "latin:2:1: the line is not text in UTF-8" in netext.run_ctl("set", "put", "a", path).stderr
    assert netext.ctl("set", "list") == []


def test_sets_are_bounded(netext, firewall, sets, client, server):
    many = [f"fd00:{i >> 16:x}:{i & 0xffff:x}::/48" for i in range(100_001)]
    assert "set-a:100001:1: 'fd00:1:86a0::/48' is one too many" in sets("a", *many).stderr
    assert sets("a", *many[:-2], Lab.SERVER).returncode == 0
    firewall("deny to set:a port 80")
    assert client.tcp(80).error == "EPERM" and client.tcp(80, Lab.SERVER6).error is None
    for i in range(63):
        assert sets(f"small-{i}", "fd00::1").returncode == 0
    assert "64 sets already" in sets("one-more", "fd00::1").stderr
    assert sets("small-0", "fd00::2").returncode == 0


def test_sets_survive_netextd(netext, firewall, sets, client, server):
    firewall("deny to set:blocked port 80")
    sets("blocked", Lab.SERVER, "example.test")
    before = netext.ctl("set", "list")
    netext.kill_netextd()
    assert client.tcp(80).error == "EPERM"
    netext.restart_netextd()
    assert netext.ctl("set", "list") == before
    assert netext.ctl("set", "show", "blocked") == [{"network": Lab.SERVER}, {"domain": "example.test"}]
    assert client.tcp(80).error == "EPERM"
    sets("blocked", "198.18.1.1")
    assert client.tcp(80).error is None


def test_sets_survive_flowd(netext, firewall, sets, client, server):
    firewall("deny to set:blocked port 80", "default allow")
    sets("blocked", Lab.SERVER)
    sets("other", "fd00::1")
    netext.kill(netext.flowd_pid())
    assert client.tcp(80).error == "EPERM"  # meanwhile
    netext.wait_for_session("firewall", "running")
    assert client.tcp(80).error == "EPERM"
    sets("blocked", "198.18.1.1")
    assert client.tcp(80).error is None


def test_both_daemons_die_and_a_set_is_put_meanwhile(netext, firewall, sets, client, server):
    firewall("deny to set:blocked port 80")
    sets("blocked", "198.18.1.1")
    netext.kill(netext.flowd_pid())
    assert sets("blocked", Lab.SERVER).returncode == 0  # waits for the next flowd
    assert client.tcp(80).error == "EPERM"
    netext.kill(netext.flowd_pid())
    netext.kill_netextd()
    netext.restart_netextd()
    netext.wait_for_session("firewall", "running")
    wait_until(lambda: client.tcp(80).error == "EPERM", "the set was not in force again")
