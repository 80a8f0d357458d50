# SPDX-License-Identifier: Apache-2.0
"""What verify says of a bundle is what the daemon does with it, whatever was done to the bundle (L16, L17)."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from harness.bundles import Bundle, Signer, netextctl, verify
from harness.paths import STAGE
from harness.sanitizer import CC

PROGRAM = """
#include <netext/extension.h>
int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT, .identifier = "com.example.filter", .version = "1",
        };
        return nx_main(&extension, NULL);
}
"""


@pytest.fixture
def prefix(name, monkeypatch):
    """An installation of the test's own, of which it can exchange parts, and which every user can run."""
    with tempfile.TemporaryDirectory(prefix=f"netext-prefix-{name}-", dir="/tmp") as place:
        os.chmod(place, 0o755)
        folder = pathlib.Path(place) / "usr"
        shutil.copytree(STAGE, folder, symlinks=True)
        monkeypatch.setattr("harness.instance.NETEXTD", folder / "sbin/netextd")
        yield folder


@pytest.fixture
def workshop(prefix, instances, tmp_path):
    """An instance that trusts a signer, and a way to make bundles of theirs."""
    tmp_path.chmod(0o755)
    library = next(STAGE.rglob("libnetext.a"))
    subprocess.run([*CC, "-x", "c", "-", "-x", "none", library, f"-I{STAGE}/include", "-o", tmp_path / "program"],
                   input=PROGRAM.encode(), check=True)
    signer = Signer(tmp_path, "signer")
    (tmp_path / "trust").mkdir()
    (tmp_path / "state").mkdir()
    shutil.copy(signer.certificate, tmp_path / "trust/signer.pem")
    instance = instances(arguments=["--state-directory", tmp_path / "state", "--trust-directory", tmp_path / "trust"])
    return Workshop(tmp_path, prefix, instance, signer)


class Workshop:
    def __init__(self, folder, prefix, instance, signer):
        self.folder, self.prefix, self.instance, self.signer = folder, prefix, instance, signer
        self.n_made = 0

    def bundle(self, **manifest):
        self.n_made += 1
        made = Bundle(self.folder / f"bundle-{self.n_made}", self.folder / "program")
        made.manifest.update(manifest, version=f"1.{self.n_made}", short_version="1")
        made.write_manifest()
        made.sign(self.signer)
        return made

    def activate(self, path):
        return netextctl("activate", "--approve", path, env={**os.environ, "NETEXT_INSTANCE": self.instance.name})

    def expect_agreement(self, path):
        """Both let it in, or both refuse it for the same check and file. True: they let it in."""
        verdict, done = verify(path, self.folder / "trust"), self.activate(path)
        assert verdict.good == (done.returncode == 0), (verdict.failed, done)
        if not verdict.good:
            first = verdict.failed[0]
            assert first["check"] in done.stderr and (first["file"] or "") in done.stderr, (first, done.stderr)
            assert f"({first['code']} " in done.stderr, (first, done.stderr)
        return verdict.good


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 0x01
    path.write_bytes(content)


def test_what_verify_lets_pass_is_activated(workshop):
    made = workshop.bundle()
    assert workshop.expect_agreement(made.folder)
    assert workshop.expect_agreement(workshop.bundle().archive(workshop.folder / "bundle.nxt", "--zstd"))


@pytest.mark.parametrize("file", ["bin/filter", "manifest.json", "resources/icon.svg", "signature/files",
                                  "signature/files.p7s"])
def test_a_flipped_byte_is_refused_by_both_for_the_same_file(workshop, file):
    for share in (0, 0.3, 0.7, 1):
        made = workshop.bundle()
        flip(made / file, int(((made / file).stat().st_size - 1) * share))
        assert not workshop.expect_agreement(made.folder)


def without_a_file(made):
    (made / "resources/icon.svg").unlink()


def with_another(made):
    made.put("lib/more", b"")


def with_a_link(made):
    (made / "lib/link").symlink_to("/etc/passwd")


def set_uid(made):
    (made / "bin/filter").chmod(0o4755)


def unsigned(made):
    (made / "signature/files.p7s").unlink()


def not_readable(made):
    (made / "resources/icon.svg").chmod(0o600)


@pytest.mark.parametrize("change", [without_a_file, with_another, with_a_link, set_uid, unsigned, not_readable])
def test_a_changed_folder_is_refused_by_both_for_the_same_reason(workshop, change):
    made = workshop.bundle()
    change(made)
    assert not workshop.expect_agreement(made.folder)


@pytest.mark.parametrize("manifest", [{"identifier": "filter"}, {"team": "OTHER"}, {"category": "kernel"}, {"capabilities": []},
                                      {"executable": "bin/other"}], ids=lambda manifest: next(iter(manifest)))
def test_a_bad_manifest_is_refused_by_both_for_the_same_reason(workshop, manifest):
    assert not workshop.expect_agreement(workshop.bundle(**manifest).folder)


def test_a_strangers_bundle_is_refused_by_both_and_let_in_in_developer_mode(workshop):
    made = workshop.bundle()
    made.sign(Signer(workshop.folder, "stranger"))
    assert not workshop.expect_agreement(made.folder)
    workshop.instance.ctl("extension", "developer", "on")
    assert verify(made.folder, workshop.folder / "trust", "--developer").good
    assert workshop.activate(made.folder).returncode == 0


# --- a worker that a bundle took over ------------------------------------------------------

LIAR = """#!/usr/bin/python3
import os, socket, struct, sys
if sys.argv[1] == "stage":
    os.execv(__file__ + ".real", ["netext-bundle", "stage"])

def attribute(number, value):
    raw = value if isinstance(value, bytes) else value.encode() + b"\\0"
    return struct.pack("<HH", number, len(raw)) + raw

def message(number, *attributes):
    body = b"".join(attributes)
    return struct.pack("<HHIQ", number, 0, 16 + len(body), 0) + body

facts = FACTS
said = [message(96, attribute(2, "file.digest"), attribute(3, "all is well"), attribute(90, b"\\1"))]
said += [message(97, attribute(49, key), attribute(3, value)) for key, value in facts]
said += [message(98, attribute(4, struct.pack("<i", 0)))]
socket.socket(fileno=3).send(b"".join(said))
"""

SOUND = [("identifier", "com.example.filter"), ("version", "1"), ("short_version", "1"), ("team", "EXAMPLE"), ("name", "x"),
         ("usage_description", "x"), ("executable", "bin/filter"), ("signer.identity", "root:0"), ("digest", "a" * 64)]


@pytest.mark.parametrize("facts", [[], [("identifier", "../../../../etc/x"), *SOUND[1:]], SOUND[1:], SOUND[:-1],
                                   [*SOUND[:-1], ("digest", "/../x")], [*SOUND, ("endpoint", "../x"), ("everyone", "")]],
                         ids=["nothing", "a-path", "no-identifier", "no-digest", "a-digest-that-is-none", "an-endpoint"])
def test_a_worker_that_lies_gets_nothing_in_and_ends_nothing(workshop, facts):
    """It could only call a bad bundle good, and that in words of the right form."""
    libexec = workshop.prefix / "libexec/netext"
    (libexec / "netext-bundle").rename(libexec / "netext-bundle.real")
    (libexec / "netext-bundle").write_text(LIAR.replace("FACTS", repr(facts)))
    (libexec / "netext-bundle").chmod(0o755)
    done = workshop.activate(workshop.bundle().folder)
    assert done.returncode == 1 and "failed" in done.stderr, done
    assert facts or "the bundle could not be looked at" in done.stderr, done
    assert workshop.instance.ctl("extension", "list") == []
    assert workshop.instance.process.poll() is None
