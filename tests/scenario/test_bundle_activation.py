# SPDX-License-Identifier: Apache-2.0
"""What verify says of a bundle is what the daemon does with it, whatever was done to the bundle."""
import os
import shutil
import subprocess

import pytest

from harness.bundles import Bundle, Signer, netextctl, verify
from harness.paths import STAGE

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
def workshop(instances, tmp_path):
    """An instance that trusts a signer, and a way to make bundles of theirs."""
    tmp_path.chmod(0o755)
    library = next(STAGE.rglob("libnetext.a"))
    subprocess.run(["cc", "-x", "c", "-", "-x", "none", library, f"-I{STAGE}/include", "-o", tmp_path / "program"],
                   input=PROGRAM.encode(), check=True)
    signer = Signer(tmp_path, "signer")
    (tmp_path / "trust").mkdir()
    (tmp_path / "state").mkdir()
    shutil.copy(signer.certificate, tmp_path / "trust/signer.pem")
    instance = instances(arguments=["--state-directory", tmp_path / "state", "--trust-directory", tmp_path / "trust"])
    return Workshop(tmp_path, instance, signer)


class Workshop:
    def __init__(self, folder, instance, signer):
        self.folder, self.instance, self.signer = folder, instance, signer
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
