# SPDX-License-Identifier: Apache-2.0
"""Copies: what the worker stages is what the source has, and what an archive cannot do to it (L17)."""
import gzip
import io
import os
import shutil
import stat
import subprocess
import tarfile
import threading

import pytest

from harness import bundles
from harness.bundles import PROGRAM, Bundle, Signer, compile, list_of, look, stage, verify


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    (folder / "trust").mkdir()
    signer = Signer(folder, "signer")
    shutil.copy(signer.certificate, folder / "trust" / "signer.pem")
    return compile(PROGRAM, folder / "program"), signer, folder / "trust"


@pytest.fixture
def bundle(shop, tmp_path):
    tmp_path.chmod(0o755)
    made = Bundle(tmp_path / "bundle", shop[0])
    made.write_manifest()
    made.sign(shop[1])
    return made


def both(source, trust, tmp_path):
    """What the worker's staging and what netextctl say of an archive or folder."""
    staged = stage(source, tmp_path / "staged")
    return staged, verify(source, trust)


# --- what is as it should be -------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--gzip",), ("--zstd",), ("--format=ustar",), ("--format=gnu",)],
                         ids=["plain", "gzip", "zstd", "ustar", "gnu"])
def test_an_archive_is_unpacked_and_good(bundle, shop, tmp_path, options):
    archive = bundle.archive(tmp_path / "bundle.nxt", *options)
    staged, ours = both(archive, shop[2], tmp_path)
    assert staged.good and ours.good
    assert list_of(tmp_path / "staged") == list_of(bundle.folder)
    assert look(tmp_path / "staged", shop[2], "--sync").good


def test_a_folder_is_copied_and_good(bundle, shop, tmp_path):
    assert stage(bundle.folder, tmp_path / "staged").good
    assert list_of(tmp_path / "staged") == list_of(bundle.folder)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "staged").rglob("*")}
    assert modes["filter"] == 0o755 and modes["manifest.json"] == 0o644 and modes["bin"] == 0o755
    assert look(tmp_path / "staged", shop[2]).good


def test_packing_is_the_same_every_time_and_good(bundle, shop, tmp_path):
    for name in ("one.nxt", "two.nxt"):
        assert bundles.netextctl("pack", bundle.folder, tmp_path / name).returncode == 0
        os.utime(bundle / "manifest.json", (0, 0))
    assert (tmp_path / "one.nxt").read_bytes() == (tmp_path / "two.nxt").read_bytes()
    assert verify(tmp_path / "one.nxt", shop[2]).good
    with tarfile.open(fileobj=io.BytesIO(subprocess.run(
            ["zstd", "-dc", tmp_path / "one.nxt"], check=True, capture_output=True).stdout)) as tar:
        assert {member.uid for member in tar} == {0} and "manifest.json" in tar.getnames()


def test_what_is_unpacked_to_be_looked_at_is_taken_away(bundle, shop, tmp_path):
    archive = bundle.archive(tmp_path / "bundle.nxt")
    (tmp_path / "scratch").mkdir()
    done = bundles.netextctl("verify", archive, "--trust", shop[2], env={**os.environ, "TMPDIR": str(tmp_path / "scratch")})
    assert done.returncode == 0 and not list((tmp_path / "scratch").iterdir())


# --- archives by strangers ---------------------------------------------------------------


def member(name, content=b"", **kwargs):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    for key, value in kwargs.items():
        setattr(info, key, value)
    return info, content


def tar_of(*members, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


GOOD = member("manifest.json", b"{}")

ARCHIVES = [
    ("nonsense", b"hello, I am no archive" * 100, "archive.form", None, "tar"),
    ("empty", b"", "archive.form", None, "tar"),
    ("zip", b"PK\x03\x04" + b"\0" * 1000, "archive.form", None, "tar"),
    ("cut", gzip.compress(tar_of(member("a", os.urandom(1000000))))[:500000], "archive.form", "a", "tar"),
    ("absolute", tar_of(GOOD, member("/etc/x", b"x")), "archive.path", "/etc/x", "absolute"),
    ("traversal", tar_of(GOOD, member("../x", b"x")), "archive.path", "../x", "leads out"),
    ("inner-traversal", tar_of(GOOD, member("a/../../x", b"x")), "archive.path", "a/../../x", "leads out"),
    ("folder-traversal", tar_of(member("a/..", type=tarfile.DIRTYPE)), "archive.path", "a/..", "leads out"),
    ("empty-part", tar_of(member("a//b", b"x")), "archive.path", "a//b", "empty part"),
    ("control", tar_of(member("a\x07b", b"x")), "archive.path", "a\x07b", "printable"),
    ("long", tar_of(member("/".join(["d" * 200] * 3), b"x")), "archive.path", "/".join(["d" * 200] * 3), "512"),
    ("symlink", tar_of(member("l", type=tarfile.SYMTYPE, linkname="/etc/passwd")), "archive.type", "l", "symbolic link"),
    ("hardlink", tar_of(GOOD, member("l", type=tarfile.LNKTYPE, linkname="manifest.json")), "archive.type", "l", "hard link"),
    ("device", tar_of(member("d", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), "archive.type", "d", "character device"),
    ("block-device", tar_of(member("d", type=tarfile.BLKTYPE, devmajor=8)), "archive.type", "d", "block device"),
    ("fifo", tar_of(member("f", type=tarfile.FIFOTYPE)), "archive.type", "f", "FIFO"),
    ("set-uid", tar_of(member("s", b"x", mode=0o4755)), "archive.mode", "s", "4755"),
    ("sticky-folder", tar_of(member("s", type=tarfile.DIRTYPE, mode=0o1777)), "archive.mode", "s", "1777"),
    ("twice", tar_of(member("a", b"x"), member("a", b"y")), "archive.duplicate", "a", "twice"),
    ("file-and-folder", tar_of(member("a", b"x"), member("a/b", b"y")), "archive.duplicate", "a/b", "file and as a folder"),
    ("folder-and-file", tar_of(member("a", type=tarfile.DIRTYPE), member("a", b"y")), "archive.duplicate", "a", "twice"),
    ("many", gzip.compress(tar_of(*(member(f"f{i}") for i in range(4100)))), "archive.count", None, "4096"),
    ("link-and-through", tar_of(member("l", type=tarfile.SYMTYPE, linkname="/tmp"), member("l/x", b"x")),
     "archive.type", "l", "symbolic link"),
]


@pytest.mark.parametrize("content, check, file, says", [row[1:] for row in ARCHIVES], ids=[row[0] for row in ARCHIVES])
def test_archives(shop, tmp_path, content, check, file, says):
    tmp_path.chmod(0o755)
    archive = tmp_path / "bundle.nxt"
    archive.write_bytes(content)
    staged, ours = both(archive, shop[2], tmp_path)
    assert staged.said() == ours.said()
    found = [entry for entry in ours.failed if entry["check"] == check]
    assert found and {entry["check"] for entry in ours.failed} == {check}, ours.failed
    assert found[0]["code"] == 9 and found[0]["file"] == file and says in found[0]["text"], found
    outside = {path.name for path in tmp_path.iterdir()} - {"bundle.nxt", "staged"}
    assert not outside and not any(path.is_symlink() for path in (tmp_path / "staged").rglob("*"))


def bomb(tmp_path, size, *options):
    """A file of zeros, as an archive that is small."""
    (tmp_path / "zeros").mkdir()
    with open(tmp_path / "zeros/zeros", "wb") as zeros:
        zeros.truncate(size)
    bundles.run("tar", "-C", tmp_path / "zeros", *options, "-cf", tmp_path / "bomb.nxt", "zeros")
    shutil.rmtree(tmp_path / "zeros")
    return tmp_path / "bomb.nxt"


@pytest.mark.parametrize("options", [("--zstd",), ("--gzip",)], ids=["zstd", "gzip"])
def test_a_bomb_is_refused_when_it_goes_off(shop, tmp_path, options):
    tmp_path.chmod(0o755)
    staged, ours = both(bomb(tmp_path, 40 << 20, *options), shop[2], tmp_path)
    assert [entry["check"] for entry in ours.failed] == ["archive.ratio"]
    assert staged.said() == ours.said()
    assert (tmp_path / "staged/zeros").stat().st_size < 20 << 20


def test_a_sparse_file_is_not_what_it_says(shop, tmp_path):
    tmp_path.chmod(0o755)
    staged, ours = both(bomb(tmp_path, 2 << 20, "--format=gnu", "--sparse"), shop[2], tmp_path)
    assert [(entry["check"], entry["file"]) for entry in ours.failed] == [("archive.form", "zeros")]
    assert staged.said() == ours.said() and "sparse" in ours.failed[0]["text"]


def test_too_much_is_refused_before_it_is_unpacked(shop, tmp_path):
    tmp_path.chmod(0o755)
    info, _ = member("large")
    info.size = 513 << 20
    (tmp_path / "large.nxt").write_bytes(info.tobuf(tarfile.PAX_FORMAT) + b"x" * 1024)
    staged, ours = both(tmp_path / "large.nxt", shop[2], tmp_path)
    assert [(entry["check"], entry["file"]) for entry in ours.failed] == [("archive.size", "large")]
    assert staged.said() == ours.said() and not (tmp_path / "staged/large").exists()


# --- folders by strangers ----------------------------------------------------------------


def test_nothing_is_copied_of_a_folder_with_a_link(bundle, tmp_path):
    (bundle / "resources/link").symlink_to("/etc/passwd")
    staged = stage(bundle.folder, tmp_path / "staged")
    assert [(entry["check"], entry["file"]) for entry in staged.failed] == [("file.type", "resources/link")]
    assert not list((tmp_path / "staged").iterdir())


def test_what_a_worker_may_not_read_is_named(bundle, tmp_path):
    (bundle / "resources/icon.svg").chmod(0o600)
    staged = stage(bundle.folder, tmp_path / "staged")
    assert [(entry["check"], entry["file"]) for entry in staged.failed] == [("folder.readable", "resources/icon.svg")]
    assert "no privileges" in staged.failed[0]["text"] and not list((tmp_path / "staged").iterdir())


def test_what_is_neither_folder_nor_archive_is_not_read(tmp_path):
    staged = stage("/dev/zero", tmp_path / "staged")
    assert [(entry["check"], entry["file"]) for entry in staged.failed] == [("source.readable", None)]


def test_a_full_disk_is_not_the_sources_fault(bundle, tmp_path):
    target = tmp_path / "small"
    target.mkdir()
    bundle.put("resources/large", os.urandom(2 << 20))
    bundles.run("mount", "-t", "tmpfs", "-o", "size=1m", "none", target)
    try:
        staged = stage(bundle.folder, target / "staged")
    finally:
        bundles.run("umount", target)
    assert {entry["check"] for entry in staged.failed} == {"source.room"}
    assert "No space left" in staged.failed[0]["text"]


class Swapper(threading.Thread):
    """Puts a link in the place of a file or folder and takes it away again, as fast as it can."""

    def __init__(self, path, target, aside):
        super().__init__()
        self.path, self.other, self.link = path, aside / "other", aside / "link"
        self.link.symlink_to(target)
        self.is_done = threading.Event()

    def run(self):
        while not self.is_done.is_set():
            self.path.rename(self.other)
            self.link.rename(self.path)
            self.path.rename(self.link)
            self.other.rename(self.path)

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.is_done.set()
        self.join()


@pytest.mark.parametrize("swapped, target", [("resources/icon.svg", "../../elsewhere/icon.svg"), ("resources", "../elsewhere")],
                         ids=["file", "folder"])
def test_a_link_that_comes_while_it_is_copied_leads_nowhere(bundle, tmp_path, swapped, target):
    """In the source a link comes and goes; whatever is copied, it is never what the link leads to."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/icon.svg").write_bytes(b"SECRET")
    outcomes = set()
    with Swapper(bundle / swapped, target, tmp_path):
        for i in range(40):
            staged = stage(bundle.folder, tmp_path / f"staged{i}")
            outcomes.add(staged.good)
            copies = [path for path in (tmp_path / f"staged{i}").rglob("*")]
            assert not any(path.is_symlink() for path in copies)
            assert not any(path.read_bytes() == b"SECRET" for path in copies if path.is_file())
    assert False in outcomes


# --- any byte ----------------------------------------------------------------------------


def positions(size):
    return sorted({0, 1, size // 3, size // 2, 2 * size // 3, size - 2, size - 1} & set(range(size)))


def flipped_files(verdict):
    return {entry["file"] for entry in verdict.failed if entry["check"].startswith(("file.", "signature."))}


def test_a_flipped_byte_is_found_by_both_in_the_same_file(bundle, shop):
    files = [path for path in sorted(bundle.folder.rglob("*")) if path.is_file() and path.parent.name != "signature"]
    assert len(files) >= 3
    for path in files:
        name = str(path.relative_to(bundle.folder))
        content = bytearray(path.read_bytes())
        for position in positions(len(content)):
            content[position] ^= 0x01
            path.write_bytes(content)
            ours = verify(bundle.folder, shop[2])
            assert not ours.good and flipped_files(ours) == {name}, (name, position, ours.failed)
            assert look(bundle.folder, shop[2]).said() == ours.said()
            content[position] ^= 0x01
        path.write_bytes(content)
    assert verify(bundle.folder, shop[2]).good


def test_a_flipped_byte_in_the_list_is_found(bundle, shop):
    path = bundle / "signature/files"
    content = bytearray(path.read_bytes())
    for position in range(0, len(content), 23):
        content[position] ^= 0x01
        path.write_bytes(content)
        ours = verify(bundle.folder, shop[2])
        assert "signature/files" in flipped_files(ours), (position, ours.failed)
        content[position] ^= 0x01


@pytest.mark.parametrize("has_issuer", [False, True], ids=["self-made", "issued"])
def test_a_flipped_byte_in_the_signature_is_found(bundle, tmp_path, has_issuer):
    trust = tmp_path / "trust"
    trust.mkdir()
    root = Signer(tmp_path, "root", is_authority=has_issuer)
    shutil.copy(root.certificate, trust / "root.pem")
    bundle.sign(Signer(tmp_path, "issued", issuer=root) if has_issuer else root)
    path = bundle / "signature/files.p7s"
    assert verify(bundle.folder, trust).good
    content = bytearray(path.read_bytes())
    for position in range(0, len(content), 97):  # src/bundle/test-signature.c has every one
        content[position] ^= 0x01
        path.write_bytes(content)
        ours = verify(bundle.folder, trust)
        assert not ours.good and any("files.p7s" in (entry["file"] or "") + entry["text"] for entry in ours.failed), (
            position, ours.failed)
        content[position] ^= 0x01
