# SPDX-License-Identifier: Apache-2.0
"""From nothing to a signed bundle with netextctl alone, offline and without an account (L14, L18, D15)."""
import json
import os
import pathlib
import re
import stat
import subprocess

import pytest

from harness import bundles
from harness.bundles import PROGRAM, Bundle, Signer, compile, look, netextctl, verify
from harness.paths import NETEXTCTL, STAGE, for_everybody
from harness.sanitizer import CC

KINDS = ["filter", "transparent-proxy", "app-proxy", "packet-filter"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, with the staged SDK in place of an installed one."""
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    pc = next(STAGE.rglob("netext.pc"))
    monkeypatch.setenv("PKG_CONFIG_PATH", str(pc.parent))
    monkeypatch.setenv("PKG_CONFIG_SYSROOT_DIR", str(STAGE.parent))
    monkeypatch.setenv("CC", " ".join(CC))
    return tmp_path


def make(folder, *arguments):
    return subprocess.run(["make", "-C", folder, f"NETEXTCTL={NETEXTCTL}", "CFLAGS=-Wall -Werror", *arguments],
                          capture_output=True, text=True)


def new(*arguments):
    done = netextctl("new", *arguments)
    assert done.returncode == 0, done.stderr


def keygen(*arguments):
    done = netextctl("keygen", *arguments)
    assert done.returncode == 0, done.stderr


def trust_of(here, *certificates):
    (here / "trust").mkdir()
    for certificate in certificates:
        (here / "trust" / certificate.name).write_bytes(certificate.read_bytes())
    return here / "trust"


@pytest.mark.parametrize("kinds", [[kind] for kind in KINDS] + [KINDS], ids="+".join)
def test_a_new_project_builds_packs_signs_and_verifies(here, kinds):
    new("com.example.hello", "--provider", ",".join(kinds))
    source = (here / "hello/main.c").read_text()
    assert len(source.splitlines()) < 45 + 10 * len(kinds) and all(len(line) <= 100 for line in source.splitlines())
    keygen("my")
    built = make("hello", "KEY=../my.key")
    assert built.returncode == 0, built.stderr
    trust = trust_of(here, here / "my.pem")
    verdict = verify(here / "hello/bundle", trust)
    assert verdict.good and not verdict.warned and verdict.facts["providers"] == kinds
    assert look(here / "hello/bundle", trust).good
    packed = netextctl("pack", "hello/bundle")
    assert packed.stdout == "com.example.hello-1.0.nxt\n"
    assert verify("com.example.hello-1.0.nxt", trust).good
    explained = subprocess.run([here / "hello/bundle/bin/hello"], capture_output=True, text=True,
                               env={"LD_LIBRARY_PATH": str(next(STAGE.rglob("libnetext.so.0")).parent)})
    assert explained.returncode == 2 and "netextctl" in explained.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_project_works_as_it_is(here, netext, client, serve, kind):
    """The filter refuses mail, the proxies carry what goes to port 80, and no large ping gets an answer."""
    serve(80)
    serve(25)
    new("com.example.hello", "--provider", kind)
    built = make("hello", f"LDFLAGS=-Wl,-rpath,{for_everybody(next(STAGE.rglob('libnetext.so.0'))).parent}")
    assert built.returncode == 0, built.stderr
    netext.ctl("session", "start", here / "hello/bundle/bin/hello")
    answer = client.tcp(80)
    assert not answer.error, answer
    if kind == "filter":
        assert client.tcp(25).error == "ECONNREFUSED"
    elif kind == "packet-filter":
        assert client.ping("small") == "small" and client.ping("large", size=5000, wait=0.3) is None
    else:
        assert netext.flow(remote_port=80, decided_by="com.example.hello")["verdict"] == "claim"


def commands_of_the_manual():
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs/man/netext-bundle.5").read_text()
    return re.search(r"\.Ss From nothing to running\n.*?\.Bd -literal[^\n]*\n(.*?)\.Ed", text, re.DOTALL).group(1).splitlines()


def test_the_readme_has_the_same_commands():
    text = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
    assert "\n".join(f"    $ {command}" for command in commands_of_the_manual()) in text


def test_five_commands_lead_from_nothing_to_running(here, instances, client, serve):
    """Those of the manual, word by word but for where the programs are."""
    serve(25)
    (here / "state").mkdir()
    libraries = next(STAGE.rglob("libnetext.so.0")).parent
    instance = instances(arguments=["--state-directory", here / "state", "--trust-directory", here / "none"])
    commands = commands_of_the_manual()
    assert len(commands) <= 5
    for command in commands:
        words = [str(NETEXTCTL) if word == "netextctl" else word for word in command.removeprefix("sudo ").split()]
        if words[0] == "make":
            words += [f"NETEXTCTL={NETEXTCTL}", f"SDK_LIBS={libraries}/libnetext.a"]  # not installed here
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "NETEXT_INSTANCE": instance.name})
        assert done.returncode == 0, (command, done)
    listed = json.loads(netextctl("list", "--json", env={**os.environ, "NETEXT_INSTANCE": instance.name}).stdout)
    assert [(row["identifier"], row["state"]) for row in listed] == [("com.example.filter", "activated_enabled")]
    assert instance.session("com.example.filter")["state"] == "running"
    assert client.tcp(25).error == "ECONNREFUSED"


def test_a_key_that_is_there_is_used(here):
    new("com.example.hello")
    keygen("my", "--name", "Mine")
    assert make("hello", "KEY=../my.key").returncode == 0
    assert verify("hello/bundle", trust_of(here, here / "my.pem")).facts["signer"]["name"] == "Mine"


# --- keys --------------------------------------------------------------------------------


def test_a_key_is_for_its_owner_only_and_stays(here):
    os.umask(0)
    try:
        keygen("my", "--team", "EXAMPLE", "--name", "Example Ltd")
    finally:
        os.umask(0o022)
    assert stat.S_IMODE(os.stat("my.key").st_mode) == 0o600
    before = (here / "my.key").read_bytes()
    again = netextctl("keygen", "my")
    assert again.returncode == 1 and "my.key" in again.stderr and "already" in again.stderr
    assert (here / "my.key").read_bytes() == before
    shown = bundles.run("openssl", "x509", "-in", "my.pem", "-noout", "-subject", "-ext", "extendedKeyUsage").stdout
    assert b"OU = EXAMPLE, CN = Example Ltd" in shown and b"Code Signing" in shown


def test_a_certificate_that_is_there_costs_no_key(here):
    (here / "my.pem").write_text("mine")
    done = netextctl("keygen", "my")
    assert done.returncode == 1 and "my.pem" in done.stderr and not (here / "my.key").exists()


@pytest.mark.parametrize("team", ["EXAMPLE.ORG", "", "a" * 33])
def test_a_team_that_is_none_is_named(here, team):
    done = netextctl("keygen", "my", "--team", team)
    assert done.returncode == 1 and f"'{team}'" in done.stderr and not list(here.iterdir())


def signable(here, **manifest):
    made = Bundle(here / "bundle", compile(PROGRAM, here / "program"))
    made.manifest.update(manifest)
    made.write_manifest()
    return made


def test_a_passphrase_protects_the_key_and_is_said_nowhere(here):
    (here / "secret").write_text("correct horse\n")
    (here / "wrong").write_text("incorrect horse\n")
    keygen("my", "--team", "EXAMPLE", "--passphrase-file", "secret")
    assert "ENCRYPTED" in (here / "my.key").read_text()
    signable(here)
    wrong = netextctl("sign", "bundle", "--key", "my.key", "--passphrase-file", "wrong")
    assert wrong.returncode == 1 and "passphrase" in wrong.stderr and "horse" not in wrong.stderr
    nobody = netextctl("sign", "bundle", "--key", "my.key")
    assert nobody.returncode == 1 and "--passphrase-file" in nobody.stderr
    done = netextctl("sign", "bundle", "--key", "my.key", "--passphrase-file", "secret")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert verify("bundle", trust_of(here, here / "my.pem")).good


# --- signing -----------------------------------------------------------------------------


def test_what_would_be_refused_anyway_is_not_signed(here):
    keygen("my", "--team", "EXAMPLE")
    signable(here, identifier="filter")
    done = netextctl("sign", "bundle", "--key", "my.key")
    assert done.returncode == 1 and "manifest.identifier.form" in done.stderr and "mend that first" in done.stderr
    assert not (here / "bundle/signature/files").exists()


def test_another_teams_key_is_said_when_it_signs(here):
    keygen("my", "--team", "OTHER")
    signable(here)
    done = netextctl("sign", "bundle", "--key", "my.key")
    assert done.returncode == 1 and "manifest.team.signer" in done.stderr and "'OTHER'" in done.stderr


@pytest.mark.parametrize("arguments, says", [
    (["bundle"], "--key"),
    (["bundle", "--key", "none.key"], "none.key"),
    (["bundle", "--key", "my.pem"], "my.pem"),
    (["bundle", "--key", "my.key", "--certificate", "my.key"], "my.key"),
    (["bundle", "--key", "my.key", "--certificate", "other.pem"], "'other.pem' is not the certificate"),
    (["nowhere", "--key", "my.key"], "nowhere"),
    (["my.key", "--key", "my.key"], "my.key"),
])
def test_what_cannot_sign_is_named(here, arguments, says):
    keygen("my", "--team", "EXAMPLE")
    keygen("other", "--team", "EXAMPLE")
    signable(here)
    done = netextctl("sign", *arguments)
    assert done.returncode in (1, 2) and says in done.stderr and not (here / "bundle/signature/files").exists()


def test_an_issued_certificate_brings_what_leads_to_its_root(here):
    root = Signer(here, "root", is_authority=True)
    between = Signer(here, "between", issuer=root, is_authority=True)
    signer = Signer(here, "signer", issuer=between)
    (here / "chain.pem").write_bytes(signer.certificate.read_bytes() + between.certificate.read_bytes())
    signable(here)
    done = netextctl("sign", "bundle", "--key", signer.key, "--certificate", "chain.pem")
    assert done.returncode == 0, done.stderr
    verdict = verify("bundle", trust_of(here, root.certificate))
    assert verdict.good and verdict.facts["signer"]["root"] == "root"


def test_signing_follows_no_link(here):
    keygen("my", "--team", "EXAMPLE")
    made = signable(here)
    (made / "signature").rmdir()
    (here / "elsewhere").mkdir()
    (made / "signature").symlink_to(here / "elsewhere")
    assert netextctl("sign", "bundle", "--key", "my.key").returncode == 1
    assert not list((here / "elsewhere").iterdir())


def test_openssl_reads_what_netextctl_signs(here):
    keygen("my", "--team", "EXAMPLE")
    signable(here)
    assert netextctl("sign", "bundle", "--key", "my.key").returncode == 0
    bundles.run("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "bundle/signature/files.p7s",
                "-content", "bundle/signature/files", "-CAfile", "my.pem", "-purpose", "any", "-out", "/dev/null")
    assert (here / "bundle/signature/files").read_bytes() == bundles.list_of(here / "bundle")


# --- looking -----------------------------------------------------------------------------


def test_lint_says_each_check_with_or_without_a_signature(here):
    signable(here, groups=["a/b"], colour="blue")
    done = netextctl("lint", "bundle")
    said = dict(reversed(line.split()[:2]) for line in done.stdout.splitlines()[:-1])
    assert done.returncode == 1 and said["manifest.groups.form"] == "failed" and said["manifest.key"] == "warned"
    assert said["manifest.identifier.form"] == "passed" and said["signature.missing"] == "skipped"
    assert "manifest.json: groups[0]: 'a/b'" in done.stdout


def test_inspect_says_who_signed_and_what_is_granted_by_whom(here):
    keygen("my", "--team", "EXAMPLE", "--name", "Example Ltd")
    signable(here)
    netextctl("sign", "bundle", "--key", "my.key")
    done = netextctl("inspect", "bundle", "--trust", trust_of(here, here / "my.pem"))
    assert done.returncode == 0
    assert "Example Ltd, team EXAMPLE, vouched for by Example Ltd" in done.stdout
    assert re.search(r"filter-provider +manifest.json, Example Ltd +nobody before approval", done.stdout)
    assert "EXAMPLE.com.example.filter.control for group users" in done.stdout
    facts = json.loads(netextctl("inspect", "bundle", "--json", "--trust", "trust").stdout)
    assert facts["capabilities"] == [{"name": "filter-provider", "granted_by": None}]
    assert facts["endpoints"] == [{"name": "control", "peers": [{"kind": "group", "value": "users"}], "activation": []}]


def test_what_a_stranger_wrote_does_not_move_the_cursor(here):
    signable(here, name="a\x1b[31mb\u202ec")
    done = netextctl("inspect", "bundle")
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout


@pytest.mark.parametrize("verb", ["verify", "lint", "inspect"])
def test_what_is_not_there_is_named(here, verb):
    done = netextctl(verb, "nowhere")
    assert done.returncode == 1 and "'nowhere'" in done.stderr and done.stdout == ""


def test_a_trust_folder_that_is_named_has_to_be_there(here):
    signable(here)
    done = netextctl("verify", "bundle", "--trust", "nowhere")
    assert done.returncode == 1 and "'nowhere'" in done.stderr


# --- projects ----------------------------------------------------------------------------


def test_a_project_takes_nothing_from_anybody(here):
    (here / "hello").mkdir()
    done = netextctl("new", "com.example.hello")
    assert done.returncode == 1 and "'hello'" in done.stderr and not list((here / "hello").iterdir())
    new("com.example.hello", "other")
    assert (here / "other/main.c").exists()


@pytest.mark.parametrize("identifier", ["hello", "com.example.", "com/example.hello", "../x.y"])
def test_an_identifier_that_is_none_is_named(here, identifier):
    done = netextctl("new", identifier)
    assert done.returncode == 1 and f"'{identifier}'" in done.stderr and not list(here.iterdir())


def test_packing_needs_a_signature(here):
    signable(here)
    done = netextctl("pack", "bundle")
    assert done.returncode == 1 and "signature.missing" in done.stderr and not list(here.glob("*.nxt*"))
