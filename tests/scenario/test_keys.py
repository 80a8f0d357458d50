# SPDX-License-Identifier: Apache-2.0
"""Secrets and keys of extensions: each uses its own by name, and nobody else gets at them."""
import os
import random
import signal
import subprocess
import threading

import pytest

from harness.app import EVERYONE, App
from harness.instance import children
from harness.paths import PROGRAMS
from harness.sanitizer import SANITIZED
from harness.store import IDENTIFIER, TEAM
from harness.wait import wait_until

KEYHOLDER = PROGRAMS / "keyholder"
OTHER = "com.example.other"
OWNER = f"{TEAM}.{IDENTIFIER}"
SECRET = "correct horse battery staple"
NO_VPN = f'(2) {TEAM}.{{}} has no {{}} "vpn"'
RSA, ED25519, P256, P384 = "4", "1", "2", "3"


@pytest.fixture
def install(store, workshop):
    """install(OTHER) has it run; an app of it."""

    def install(identifier=IDENTIFIER, version="1.0"):
        store.activate(workshop.bundle(identifier, version, program=KEYHOLDER, endpoints=EVERYONE), "--approve")
        store.wait_for_extension_version(version, identifier=identifier)
        return App(store.instance, identifier=identifier)

    return install


@pytest.fixture
def ctl(store):
    """ctl("key", "list") as root; what it prints."""

    def run(*arguments, **kwargs):
        done = store.instance.run_ctl(*arguments, **kwargs)
        assert done.returncode == 0, f"{arguments}: {done.stderr}\n{store.instance.messages()}"
        return done.stdout

    return run


def refused(store, *arguments, **kwargs):
    done = store.instance.run_ctl(*arguments, **kwargs)
    assert done.returncode == 1, done
    return done.stderr.removeprefix("netextctl: ").strip()


def keys_pid(store):
    return next(pid for pid, name in children(store.instance.process.pid).items() if name == "netext-keys")


def vault(workshop):
    return workshop.state / "keys/vault" / OWNER


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True).stdout


def verify(folder, public, text, signature, *options):
    """Fails where openssl(1) does not find that the public key, or certificate, signed text."""
    (folder / "public.pem").write_text(public)
    (folder / "text").write_text(text)
    (folder / "signature").write_bytes(bytes.fromhex(signature))
    if "CERTIFICATE" in public:
        (folder / "public.pem").write_bytes(openssl("x509", "-in", folder / "public.pem", "-noout", "-pubkey"))
    openssl("pkeyutl", "-verify", "-rawin", *options, "-pubin", "-inkey", folder / "public.pem", "-in", folder / "text",
            "-sigfile", folder / "signature")


def test_a_secret_lasts_until_its_extension_goes(store, workshop, install, ctl):
    app, other = install(), install(OTHER)
    assert app.call("read vpn") == NO_VPN.format(IDENTIFIER, "secret")
    ctl("secret", "put", IDENTIFIER, "vpn", input="before")
    ctl("secret", "put", OWNER, "vpn", input=SECRET)
    assert app.call("read vpn") == SECRET
    assert store.instance.ctl("secret", "list") == [{"extension": OWNER, "name": "vpn", "bytes": len(SECRET)}]
    assert other.call("read vpn") == NO_VPN.format(OTHER, "secret")
    assert "only an administrator may see and change" in store.instance.run_ctl_of(
        65534, "secret", "put", IDENTIFIER, "vpn", input=SECRET).stderr

    assert app.call("put told an app's", "read told") == "an app's"
    assert app.call("forget told", "read told") == f'(2) {OWNER} has no secret "told"'

    old = keys_pid(store)
    store.instance.kill_netextd()
    wait_until(lambda: not os.path.exists(f"/proc/{old}"), "netext-keys outlives netextd")
    store.instance.restart_netextd()
    wait_until(lambda: app.call("read vpn") == SECRET, lambda: app.call("read vpn"))
    install(version="1.1")
    assert app.call("read vpn") == SECRET
    assert SECRET not in store.instance.messages() and (vault(workshop) / "vpn.secret").read_text() == SECRET

    assert refused(store, "secret", "remove", IDENTIFIER, "vpm") == f'{OWNER} has no secret "vpm"'
    store.do("deactivate", IDENTIFIER)
    assert not vault(workshop).exists() and store.instance.ctl("secret", "list") == []
    assert install().call("read vpn") == NO_VPN.format(IDENTIFIER, "secret")


def test_a_key_signs_for_its_extension_alone(store, workshop, install, ctl, tmp_path):
    app, other = install(), install(OTHER)
    ctl("key", "generate", IDENTIFIER, "vpn", "--type", "p256")
    public = ctl("key", "show", IDENTIFIER, "vpn")
    assert app.call("public vpn") == public.strip()
    verify(tmp_path, public, "hello", app.call("sign vpn 0 hello"))
    assert app.call("sign vpn 0807 hello") == "(22) the key cannot sign as scheme 0x0807 says"
    assert other.call("sign vpn 0 hello") == NO_VPN.format(OTHER, "key")
    assert store.instance.ctl("key", "list") == [{"extension": OWNER, "name": "vpn", "type": "p256"}]

    for name, kind in {"ed": ED25519, "larger": P384, "rsa": RSA}.items():
        public = app.call(f"generate {name} {kind}") + "\n"
        assert public.startswith("-----BEGIN PUBLIC KEY-----")
        pss = ("-pkeyopt", "rsa_padding_mode:pss", "-digest", "sha256") if kind == RSA else ()
        digest = ("-digest", "sha384") if kind == P384 else ()
        verify(tmp_path, public, "hello", app.call(f"sign {name} 0 hello"), *digest, *pss)
    assert app.call(f"generate vpn {P256}") == f'(17) {OWNER} has a key "vpn" already; remove that first'
    encrypted = subprocess.run(["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", tmp_path / "public.pem", "-pkeyopt",
                                "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"], input=b"plain",
                               check=True, capture_output=True).stdout
    assert app.call(f"decrypt rsa {encrypted.hex()}") == "plain"
    assert app.call(f"decrypt rsa {'00' * 384}").startswith("(74) it was not encrypted for this key")
    assert app.call("remove rsa", "sign rsa 0 x") == f'(2) {OWNER} has no key "rsa"'


def test_root_gets_no_key_through_files_or_the_api(store, workshop, install, ctl):
    install()
    ctl("key", "generate", IDENTIFIER, "vpn")
    file = vault(workshop) / "vpn.key"
    users = [os.stat(f"/proc/{pid}").st_uid for pid in (store.extension()["pid"], keys_pid(store))]
    for user in users:
        done = subprocess.run(["cat", file], user=user, group=user, extra_groups=[], capture_output=True)
        assert done.returncode == 1 and b"Permission denied" in done.stderr
    status = open(f"/proc/{keys_pid(store)}/status", encoding="utf-8").read()
    for line in ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in status
    assert SANITIZED or int(status.split("VmLck:")[1].split()[0]) >= 1024  # kB; sanitizers lock nothing
    assert os.stat(f"/proc/{keys_pid(store)}/mem").st_uid == 0  # it is not to be traced by its own user
    store.instance.start_session(KEYHOLDER, "--name", "impostor")
    wait_until(lambda: "vpn: " in store.instance.session("impostor").get("last_lines", ""), store.instance.messages)
    assert "is not installed, so it has no secrets and keys" in store.instance.session("impostor")["last_lines"]


def identity(folder, name="identity", passphrase=SECRET, **key):
    """A certificate, its key, and both in one PKCS#12 file."""
    pem, certificate, pkcs12 = (folder / f"{name}.{suffix}" for suffix in ("key", "pem", "p12"))
    openssl("req", "-x509", "-newkey", *key.get("kind", ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")), "-nodes",
            "-subj", f"/CN={name}", "-days", "30", "-keyout", pem, "-out", certificate)
    openssl("pkcs12", "-export", "-inkey", pem, "-in", certificate, "-out", pkcs12, "-passout", f"pass:{passphrase}")
    return pem, certificate, pkcs12


def test_an_identity_is_the_named_extensions(store, workshop, install, ctl, tmp_path):
    app, other = install(), install(OTHER)
    pem, certificate, pkcs12 = identity(tmp_path)
    passphrase, wrong = tmp_path / "passphrase", tmp_path / "wrong"
    passphrase.write_text(SECRET + "\n")
    wrong.write_text("wrong\n")
    ctl("key", "import", IDENTIFIER, "vpn", pkcs12, "--passphrase-file", passphrase)
    record, = store.instance.ctl("key", "list")
    assert record["subject"] == "CN=identity" and record["type"] == "p256" and record["expires_ns"] > 0
    shown = ctl("key", "show", IDENTIFIER, "vpn")
    assert certificate.read_text().strip() in shown and "PRIVATE" not in shown
    verify(tmp_path, shown, "hello", app.call("sign vpn 0 hello"))
    assert other.call("sign vpn 0 hello") == NO_VPN.format(OTHER, "key")

    both = tmp_path / "both.pem"
    openssl("pkcs8", "-topk8", "-in", pem, "-out", tmp_path / "locked.pem", "-passout", f"pass:{SECRET}")
    both.write_text(certificate.read_text() + (tmp_path / "locked.pem").read_text())
    ctl("key", "import", IDENTIFIER, "pem", both, "--passphrase-file", passphrase)
    verify(tmp_path, ctl("key", "show", IDENTIFIER, "pem"), "hello", app.call("sign pem 0 hello"))

    strange = identity(tmp_path, "strange", kind=("ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"))
    mixed, cut, large, nothing = (tmp_path / name for name in ("mixed", "cut", "large", "nothing"))
    mixed.write_text(pem.read_text() + strange[1].read_text())
    cut.write_bytes(pkcs12.read_bytes()[:-40])
    large.write_bytes(bytes(64 * 1024 + 1))
    nothing.write_bytes(b"no key at all")
    with_wrong, with_right = ("--passphrase-file", wrong), ("--passphrase-file", passphrase)
    for file, options, why in ((pkcs12, with_wrong, "the passphrase is wrong"),
                               (pkcs12, (), "it has a passphrase, and none was given"),
                               (both, (), "its private key is encrypted, and no passphrase was given"),
                               (both, with_wrong, "the passphrase is wrong"),
                               (cut, with_right, "it is neither PEM nor PKCS#12"),
                               (nothing, (), "it is neither PEM nor PKCS#12"),
                               (certificate, (), "there is no private key in it that can be read"),
                               (mixed, (), "its certificate is of another key"),
                               (strange[0], (), "its key is EC of 521 bits; kept are ed25519, p256, p384, and rsa of")):
        assert why in refused(store, "key", "import", IDENTIFIER, "bad", file, *options, stdin=subprocess.DEVNULL)
    assert "is too large: expected at most 64 KiB" in refused(store, "key", "import", IDENTIFIER, "bad", large)
    assert len(store.instance.ctl("key", "list")) == 2


# As Windows and macOS write them, as OpenSSL 1 did, and with nothing encrypted that has not to be.
OLD_WAYS = [("-legacy",), ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
            ("-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-RC2-40", "-macalg", "sha1"),
            ("-keypbe", "NONE", "-certpbe", "NONE")]


def test_old_files_of_pkcs12_are_read(store, install, ctl, tmp_path):
    app, passphrase = install(), tmp_path / "passphrase"
    passphrase.write_text(SECRET)
    pem, certificate, pkcs12 = identity(tmp_path)

    def export(*options):
        openssl("pkcs12", "-export", *options, "-inkey", pem, "-in", certificate, "-out", pkcs12,
                "-passout", f"pass:{SECRET}")
        return pkcs12, "--passphrase-file", passphrase

    for number, options in enumerate(OLD_WAYS):
        ctl("key", "import", IDENTIFIER, f"key-{number}", *export(*options))
        shown = ctl("key", "show", IDENTIFIER, f"key-{number}")
        verify(tmp_path, shown, "hello", app.call(f"sign key-{number} 0 hello"))
    assert "it has no MAC" in refused(store, "key", "import", IDENTIFIER, "bad", *export("-nomac"))


def test_a_malformed_identity_harms_nobody(store, install, ctl, tmp_path):
    app = install()
    ctl("key", "generate", IDENTIFIER, "vpn")
    good, passphrase = identity(tmp_path)[2].read_bytes(), tmp_path / "passphrase"
    passphrase.write_text(SECRET)
    before, chance = keys_pid(store), random.Random(6)
    for _ in range(10):
        bad = bytearray(good)
        for _ in range(3):
            bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        (tmp_path / "bad").write_bytes(bad)
        store.instance.run_ctl("key", "import", IDENTIFIER, "bad", tmp_path / "bad", "--passphrase-file", passphrase)
    assert keys_pid(store) == before and len(app.call("sign vpn 0 hello")) == 128


def test_a_call_that_netext_keys_does_not_answer_ends(store, install, ctl):
    """20 s are for a key of RSA on a slow machine."""
    app = install()
    ctl("key", "generate", IDENTIFIER, "vpn")
    stopped = keys_pid(store)
    os.kill(stopped, signal.SIGSTOP)
    assert app.call("sign vpn 0 hello") == "(110) netext-keys did not answer in time and was ended"
    assert f"netext-keys (pid {stopped}) did not answer within 20 s and is killed" in store.instance.messages()
    assert len(app.call("sign vpn 0 hello")) == 128 and keys_pid(store) != stopped


def test_a_call_ends_though_netext_keys_is_killed(store, install, ctl):
    app = install()
    ctl("key", "generate", IDENTIFIER, "vpn")
    stopped, answers = keys_pid(store), []
    os.kill(stopped, signal.SIGSTOP)
    callers = [threading.Thread(target=lambda: answers.append(app.call("sign vpn 0 hello"))) for _ in range(4)]
    for caller in callers:
        caller.start()
    store.instance.kill(stopped)
    for caller in callers:
        caller.join(20)
    interrupted = "(104) netext-keys ended before it had an answer; ask again"
    assert len(answers) == 4 and all(answer == interrupted or len(answer) == 128 for answer in answers), answers
    assert len(app.call("sign vpn 0 hello")) == 128 and keys_pid(store) != stopped
