# SPDX-License-Identifier: Apache-2.0
"""Bundles that are wrong in one way each: the check of that name fails, and says where (L04, L05, L22, L25).

netextctl and netextd's worker look at each, and have to say the same.
"""
import os
import pathlib
import re
import shutil
import socket

import pytest

from harness import bundles
from harness.bundles import CALLER, LIBRARY, PROGRAM, Bundle, Signer, compile, list_of, look, verify

VALIDATION, SIGNATURE = 9, 8


class Workshop:
    """What all bundles of the table are made of."""

    def __init__(self, folder):
        self.folder = folder
        self.program = compile(PROGRAM, folder / "program")
        self.root = Signer(folder, "root", is_authority=True)
        self.signer = Signer(folder, "signer", issuer=self.root)
        self.trust = folder / "trust"
        self.trust.mkdir()
        shutil.copy(self.root.certificate, self.trust / "root.pem")

    def elsewhere(self, name, **kwargs):
        """A signer who is vouched for like the usual one, but for what kwargs say."""
        return Signer(self.folder, name, **{"issuer": self.root, **kwargs})


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture
def bundle(workshop, tmp_path):
    tmp_path.chmod(0o755)
    return Bundle(tmp_path / "bundle", workshop.program)


def look_twice(bundle, trust):
    """What both say, which is the same."""
    ours, workers = verify(bundle.folder, trust), look(bundle.folder, trust)
    assert ours.said() == workers.said()
    return ours


def expect(verdict, check, code, file=None, key=None, says="", only=True):
    failed = {entry["check"]: entry for entry in reversed(verdict.failed)}
    assert check in failed, verdict.failed
    found = failed[check]
    assert found.get("code", code) == code
    assert found["file"] == file and (key is None or found["key"] == key), found
    assert says in found["text"], found
    assert not verdict.good and (not only or set(failed) == {check}), verdict.failed


def test_a_good_bundle_is_good(bundle, workshop):
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    verdict = look_twice(bundle, workshop.trust)
    assert verdict.good and not verdict.failed and not verdict.warned
    assert {check["result"] for check in verdict.checks} == {"passed"}
    assert verdict.facts["signer"]["name"] == "signer" and verdict.facts["signer"]["root"] == "root"
    assert verdict.facts["signer"]["identity"].startswith("root:") and verdict.facts["signer"]["trusted"]


def test_every_check_is_tried():
    """Each has a bundle somewhere in these tests that it is about."""
    here = pathlib.Path(__file__).resolve()
    tests = "".join(path.read_text() for path in here.parent.glob("test_bundle_*.py"))
    names = re.findall(r'CHECK\(\w+,\s*"([\w.]+)"', (here.parents[2] / "src/bundle/check.h").read_text())
    assert len(names) > 80 and [name for name in names if f'"{name}"' not in tests] == []


@pytest.mark.parametrize("key, value, check, place", [
    ("colour", "blue", "manifest.key", "colour"),
    ("capabilities", ["filter-provider", "app-proxy-provider"], "manifest.capabilities.unused", "capabilities"),
])
def test_what_does_no_harm_is_a_warning(bundle, workshop, key, value, check, place):
    bundle.manifest[key] = value
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    verdict = look_twice(bundle, workshop.trust)
    assert verdict.good and [(entry["check"], entry["key"]) for entry in verdict.warned] == [(check, place)]


# --- the manifest ------------------------------------------------------------------------

MANIFESTS = [
    # key, its value (None: left out), the check, Apple's code, the place, what is said
    ("identifier", None, "manifest.identifier.missing", 5, "identifier", "add one"),
    ("identifier", "filter", "manifest.identifier.form", VALIDATION, "identifier", "'filter'"),
    ("identifier", "../../etc", "manifest.identifier.form", VALIDATION, "identifier", "reversed domain"),
    ("version", None, "manifest.version.missing", VALIDATION, "version", "add one"),
    ("version", "1.0-beta", "manifest.version.form", VALIDATION, "version", "'1.0-beta'"),
    ("short_version", None, "manifest.short_version.missing", VALIDATION, "short_version", "add one"),
    ("short_version", "one", "manifest.short_version.form", VALIDATION, "short_version", "'one'"),
    ("team", None, "manifest.team.missing", VALIDATION, "team", "OU"),
    ("team", "EXAMPLE.ORG", "manifest.team.form", VALIDATION, "team", "'EXAMPLE.ORG'"),
    ("team", "OTHER", "manifest.team.signer", SIGNATURE, "team", "'OTHER', and the signer's certificate is of 'EXAMPLE'"),
    ("requires_netext", "new", "manifest.requires_netext.form", VALIDATION, "requires_netext", "'new'"),
    ("requires_netext", "99.1", "manifest.requires_netext.later", VALIDATION, "requires_netext",
     "is 99.1, and this netext is 0.1.0: install a later netext"),
    ("name", None, "manifest.name.missing", VALIDATION, "name", "people"),
    ("name", "a\u202eb", "manifest.text", VALIDATION, "name", "directions"),
    ("name", 7, "manifest.type", VALIDATION, "name", "a string, and is a number"),
    ("usage_description", None, "manifest.usage_description.missing", VALIDATION, "usage_description", "approve"),
    ("category", "kernel", "manifest.category.unknown", 7, "category", "'kernel'"),
    ("category", "camera", "manifest.category.providers", VALIDATION, "category", "'camera'"),
    ("icon", "icon.svg", "manifest.icon.path", VALIDATION, "icon", "'icon.svg'"),
    ("executable", None, "manifest.executable.missing", VALIDATION, "executable", "bin/filter"),
    ("executable", "bin/other", "manifest.executable.path", VALIDATION, "executable", "'bin/other'"),
    ("executable", "../filter", "manifest.executable.path", VALIDATION, "executable", "leads out"),
    ("providers", [], "manifest.providers.missing", VALIDATION, "providers", "at least one"),
    ("scope", "user", "manifest.scope.unknown", VALIDATION, "scope", "'user'"),
    ("scope", "session", "manifest.scope.shared", VALIDATION, "endpoints", "'session' has none"),
    ("providers", ["filter", "dns"], "manifest.providers.unknown", VALIDATION, "providers[1]", "'dns'"),
    ("providers", ["filter", "filter"], "manifest.providers.duplicate", VALIDATION, "providers[1]", "twice"),
    ("capabilities", ["filter-provider", "root"], "manifest.capabilities.unknown", VALIDATION, "capabilities[1]", "'root'"),
    ("capabilities", ["filter-provider"] * 2, "manifest.capabilities.duplicate", VALIDATION, "capabilities[1]", "twice"),
    ("capabilities", [], "manifest.capabilities.missing", 2, "capabilities", "lacks \"filter-provider\""),
    ("endpoints", [{"name": "e", "peers": ["everyone"]}] * 2, "manifest.endpoints.duplicate", VALIDATION, "endpoints[1]", "'e'"),
    ("endpoints", [{"name": f"e{i}", "peers": ["everyone"]} for i in range(33)], "manifest.endpoints.count", VALIDATION,
     "endpoints", "33"),
    ("endpoints", [{"name": "a/b", "peers": ["everyone"]}], "manifest.endpoints.name", VALIDATION, "endpoints[0].name", "'a/b'"),
    ("endpoints", [{"name": "e"}], "manifest.endpoints.peers", VALIDATION, "endpoints[0]", "who may connect"),
    ("endpoints", [{"name": "e", "peers": ["everyone"], "activation": ["app"]}], "manifest.endpoints.activation", VALIDATION,
     "endpoints[0].activation", "'app'"),
    ("groups", [f"g{i}" for i in range(17)], "manifest.groups.count", VALIDATION, "groups", "17"),
    ("groups", ["a/b"], "manifest.groups.form", VALIDATION, "groups[0]", "'a/b'"),
    ("groups", ["a", "a"], "manifest.groups.duplicate", VALIDATION, "groups[1]", "twice"),
    ("grace_time", 0, "manifest.grace_time.range", VALIDATION, "grace_time", "1 to 604800"),
]


@pytest.mark.parametrize("key, value, check, code, place, says", MANIFESTS,
                         ids=[f"{row[2]}-{i}" for i, row in enumerate(MANIFESTS)])
def test_manifests(bundle, workshop, key, value, check, code, place, says):
    if value is None:
        del bundle.manifest[key]
    else:
        bundle.manifest[key] = value
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    expect(look_twice(bundle, workshop.trust), check, code, "manifest.json", place, says)


@pytest.mark.parametrize("content, check, says", [
    (None, "manifest.missing", "not there"),
    (b"{", "manifest.syntax", "no JSON"),
    (b"[]", "manifest.syntax", "a list"),
    (b" " * 70000, "manifest.size", "too large"),
])
def test_files_that_are_no_manifest(bundle, workshop, content, check, says):
    if content is not None:
        bundle.put("manifest.json", content)
    bundle.sign(workshop.signer)
    expect(look_twice(bundle, workshop.trust), check, VALIDATION, "manifest.json", None, says)


# --- the program and its libraries -------------------------------------------------------


def a_script(bundle, workshop):
    bundle.put("bin/filter", b"#!/bin/sh\nexec /usr/bin/true\n", 0o755)


def no_program(bundle, workshop):
    bundle.put("bin/filter", b"MZ\x90", 0o755)


def a_cut_program(bundle, workshop):
    bundle.put("bin/filter", workshop.program.read_bytes()[:100], 0o755)


def an_object_file(bundle, workshop):
    compile(PROGRAM, bundle / "bin/filter", "-c")
    (bundle / "bin/filter").chmod(0o755)


def a_library_as_program(bundle, workshop):
    compile(LIBRARY, bundle / "bin/filter", "-shared", "-fPIC")


def not_executable(bundle, workshop):
    (bundle / "bin/filter").chmod(0o644)


def another_machine(bundle, workshop):
    content = bytearray(workshop.program.read_bytes())
    content[18:20] = b"\xb7\x00"
    bundle.put("bin/filter", bytes(content), 0o755)


def another_loader(bundle, workshop):
    compile(PROGRAM, bundle / "bin/filter", "-Wl,--dynamic-linker=/opt/ld.so")


def a_broken_library(bundle, workshop):
    bundle.put("lib/libown.so", b"\x7fELF and then nothing of that kind")


def a_library_of_another_machine(bundle, workshop):
    content = bytearray(compile(LIBRARY, bundle / "lib/libown.so", "-shared", "-fPIC").read_bytes())
    content[18:20] = b"\xb7\x00"
    bundle.put("lib/libown.so", bytes(content))


def caller(bundle, *flags, soname="libown.so.1", keep=True):
    """A program that needs a library, which stays in the bundle or not."""
    library = compile(LIBRARY, bundle / "lib" / soname, "-shared", "-fPIC", f"-Wl,-soname,{soname}")
    compile(CALLER, bundle / "bin/filter", "-x", "none", library, *flags)
    if not keep:
        library.unlink()


def a_library_from_elsewhere(bundle, workshop):
    caller(bundle, "-Wl,-rpath,$ORIGIN/../lib", keep=False)


def a_library_that_is_not_searched_for(bundle, workshop):
    caller(bundle)


def a_search_outside(bundle, workshop):
    caller(bundle, "-Wl,-rpath,$ORIGIN/../lib:/usr/local/lib")


def a_search_that_leads_out(bundle, workshop):
    caller(bundle, "-Wl,-rpath,$ORIGIN/../lib:$ORIGIN/../../lib")


def a_library_that_needs_another(bundle, workshop):
    far = compile("int far(void); int far(void) { return 1; }\n", workshop.folder / "libfar.so.2",
                  "-shared", "-fPIC", "-Wl,-soname,libfar.so.2")
    compile("int far(void); int near(void); int near(void) { return far(); }\n", bundle / "lib/libnear.so.1",
            "-shared", "-fPIC", "-x", "none", far)


PROGRAMS = [
    (a_script, "executable.form", "bin/filter", None, "a script"),
    (no_program, "executable.form", "bin/filter", None, "no ELF program"),
    (a_cut_program, "executable.form", "bin/filter", None, "cannot be read"),
    (an_object_file, "executable.form", "bin/filter", None, "object file"),
    (a_library_as_program, "executable.form", "bin/filter", None, "a library"),
    (not_executable, "executable.mode", "bin/filter", None, "chmod +x"),
    (another_machine, "executable.architecture", "bin/filter", None, "is for aarch64"),
    (another_loader, "executable.interpreter", "bin/filter", None, "'/opt/ld.so'"),
    (a_broken_library, "library.form", "lib/libown.so", None, "cannot be read"),
    (a_library_of_another_machine, "library.architecture", "lib/libown.so", None, "is for aarch64"),
    (a_library_from_elsewhere, "library.outside", "bin/filter", "libown.so.1", "copy it to lib/"),
    (a_library_that_is_not_searched_for, "library.outside", "bin/filter", "libown.so.1", "lib/libown.so.1 is not searched"),
    (a_search_outside, "library.search", "bin/filter", None, "'/usr/local/lib'"),
    (a_search_that_leads_out, "library.search", "bin/filter", None, "'$ORIGIN/../../lib'"),
    (a_library_that_needs_another, "library.outside", "lib/libnear.so.1", "libfar.so.2", "neither in the bundle"),
]


@pytest.mark.parametrize("make, check, file, key, says", PROGRAMS, ids=[row[0].__name__ for row in PROGRAMS])
def test_programs(bundle, workshop, make, check, file, key, says):
    make(bundle, workshop)
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    expect(look_twice(bundle, workshop.trust), check, VALIDATION, file, key, says)


def test_a_library_of_the_bundle_is_found(bundle, workshop):
    caller(bundle, "-Wl,-rpath,$ORIGIN/../lib")
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    assert look_twice(bundle, workshop.trust).good


def test_an_old_search_path_counts_for_libraries_too(bundle, workshop):
    far = compile("int far(void); int far(void) { return 1; }\n", bundle / "lib/libfar.so.2",
                  "-shared", "-fPIC", "-Wl,-soname,libfar.so.2")
    near = compile("int far(void); int answer(void); int answer(void) { return far(); }\n",
                   bundle / "lib/libnear.so.1", "-shared", "-fPIC", "-Wl,-soname,libnear.so.1", "-x", "none", far)
    compile(CALLER, bundle / "bin/filter", "-x", "none", near, far, "-Wl,--disable-new-dtags",
            "-Wl,-rpath,$ORIGIN/../lib")
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    assert look_twice(bundle, workshop.trust).good


# --- what is in the folder ---------------------------------------------------------------


def a_symbolic_link(bundle):
    (bundle / "resources/link").symlink_to("/etc/passwd")
    return "resources/link"


def a_link_to_a_folder(bundle):
    (bundle / "link").symlink_to("resources")
    return "link"


def a_fifo(bundle):
    os.mkfifo(bundle / "resources/fifo")
    return "resources/fifo"


def a_socket(bundle):
    here = os.getcwd()
    os.chdir(bundle / "resources")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    os.chdir(here)
    return "resources/socket"


def a_device(bundle):
    os.mknod(bundle / "resources/null", 0o020666, os.makedev(1, 3))
    return "resources/null"


def a_set_uid_bit(bundle):
    (bundle / "bin/filter").chmod(0o4755)
    return "bin/filter"


def a_sticky_folder(bundle):
    (bundle / "resources").chmod(0o1755)
    return "resources"


def a_hard_link(bundle):
    os.link(bundle / "resources/icon.svg", bundle / "../other")
    return "resources/icon.svg"


def a_name_with_a_control_character(bundle):
    bundle.put("resources/a\x1b[31m", b"")
    return "resources/a\x1b[31m"


def a_name_that_is_not_utf8(bundle):
    bundle.put("resources/\udcff", b"")
    return "resources/\udcff"


def two_names_of_one_case(bundle):
    bundle.put("resources/Icon.svg", b"")
    return "resources/Icon.svg"


def too_deep(bundle):
    bundle.put("/".join(["d"] * 17) + "/file", b"")
    return "/".join(["d"] * 17)


def a_long_path(bundle):
    bundle.put("/".join(["d" * 200] * 3), b"")
    return "/".join(["d" * 200] * 3)


FOLDERS = [
    (a_symbolic_link, "file.type", "a symbolic link"),
    (a_link_to_a_folder, "file.type", "a symbolic link"),
    (a_fifo, "file.type", "a FIFO"),
    (a_socket, "file.type", "a socket"),
    (a_device, "file.type", "a character device"),
    (a_set_uid_bit, "file.mode", "4755"),
    (a_sticky_folder, "file.mode", "1755"),
    (a_hard_link, "file.links", "2 names"),
    (a_name_with_a_control_character, "file.name", "printable"),
    (a_name_that_is_not_utf8, "file.name", "printable"),
    (two_names_of_one_case, "file.case", "by case only"),
    (too_deep, "folder.depth", "too deep"),
    (a_long_path, "file.path", "too long"),
]


@pytest.mark.parametrize("make, check, says", FOLDERS, ids=[row[0].__name__ for row in FOLDERS])
def test_folders(bundle, workshop, make, check, says):
    bundle.write_manifest()
    file = make(bundle)
    bundle.sign(workshop.signer)
    verdict = look_twice(bundle, workshop.trust)
    expect(verdict, check, VALIDATION, file.replace("\udcff", "\ufffd"), None, says, only=False)


def test_too_many_files(bundle, workshop):
    for i in range(4100):
        bundle.put(f"resources/{i}", b"")
    expect(look_twice(bundle, workshop.trust), "folder.count", VALIDATION, None, None, "4096")


def test_too_much(bundle, workshop):
    with open(bundle / "resources/large", "wb") as large:
        large.truncate(513 << 20)
    expect(look_twice(bundle, workshop.trust), "folder.size", VALIDATION, "resources/large", None, "512 MiB")


@pytest.mark.parametrize("file, mode", [("resources/icon.svg", 0o600), ("resources", 0o700), ("bin", 0o754)])
def test_what_the_worker_could_not_read_is_named_whoever_asks(bundle, workshop, file, mode):
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    (bundle / file).chmod(mode)
    ours, workers = verify(bundle.folder, workshop.trust), look(bundle.folder, workshop.trust)
    for verdict in ours, workers:
        expect(verdict, "folder.readable", VALIDATION, file, None, f"{mode:04o}", only=False)


# --- signatures --------------------------------------------------------------------------


def unsigned(bundle, workshop):
    pass


def no_signature(bundle, workshop):
    bundle.sign(workshop.signer)
    (bundle / "signature/files.p7s").unlink()


def no_list(bundle, workshop):
    bundle.sign(workshop.signer)
    (bundle / "signature/files").unlink()


def nonsense(bundle, workshop):
    bundle.sign(workshop.signer)
    bundle.put("signature/files.p7s", b"no DER at all")


def with_a_tail(bundle, workshop):
    bundle.sign(workshop.signer)
    bundle.put("signature/files.p7s", (bundle / "signature/files.p7s").read_bytes() + b"\0")


def not_detached(bundle, workshop):
    bundle.sign(workshop.signer, "-nodetach")


def two_signers(bundle, workshop):
    other = workshop.elsewhere("second")
    bundle.sign(workshop.signer, "-signer", other.certificate, "-inkey", other.key)


def no_certificate(bundle, workshop):
    bundle.sign(workshop.signer, "-nocerts")


def a_weak_digest(bundle, workshop):
    bundle.sign(workshop.signer, "-md", "sha1")


def a_weak_key(bundle, workshop):
    bundle.sign(workshop.elsewhere("weak", key=("rsa", "rsa_keygen_bits:1024")))


def another_list(bundle, workshop):
    bundle.sign(workshop.signer)
    bundle.put("signature/files", list_of(bundle.folder) + b"0" * 64 + b" 0 - zzz\n")


def no_time(bundle, workshop):
    bundle.sign(workshop.signer, "-noattr")


def for_servers(bundle, workshop):
    bundle.sign(workshop.elsewhere("server", extensions=("extendedKeyUsage=serverAuth",)))


def for_agreement(bundle, workshop):
    bundle.sign(workshop.elsewhere("agreement", extensions=("keyUsage=keyAgreement",)))


def no_team(bundle, workshop):
    bundle.sign(workshop.elsewhere("lonely", subject="/CN=lonely"))


def two_teams(bundle, workshop):
    bundle.sign(workshop.elsewhere("both", subject="/OU=EXAMPLE/OU=OTHER/CN=both"))


def expired(bundle, workshop):
    bundle.sign(Signer(workshop.folder, "expired").expire())


def unknown_root(bundle, workshop):
    bundle.sign(Signer(workshop.folder, "stranger"))


def another_root_of_that_name(bundle, workshop):
    other = workshop.folder / "other"
    other.mkdir()
    bundle.sign(Signer(other, "signer", issuer=Signer(other, "root", is_authority=True)))


SIGNATURES = [
    (unsigned, "files.missing", "signature/files", "sign the bundle"),
    (unsigned, "signature.missing", "signature/files.p7s", "sign the bundle"),
    (no_signature, "signature.missing", "signature/files.p7s", "not there"),
    (no_list, "files.missing", "signature/files", "not there"),
    (nonsense, "signature.form", "signature/files.p7s", "CMS"),
    (with_a_tail, "signature.form", "signature/files.p7s", "more behind it"),
    (not_detached, "signature.form", "signature/files.p7s", "detached"),
    (two_signers, "signature.signer", "signature/files.p7s", "2 signers"),
    (no_certificate, "signature.signer", "signature/files.p7s", "certificate"),
    (a_weak_digest, "signature.algorithm", "signature/files.p7s", "SHA1"),
    (a_weak_key, "signature.algorithm", "signature/files.p7s", "1024 bits"),
    (another_list, "signature.content", "signature/files", "changed"),
    (no_time, "signature.time", "signature/files.p7s", "signingTime"),
    (for_servers, "signature.purpose", "signature/files.p7s", "codeSigning"),
    (for_agreement, "signature.purpose", "signature/files.p7s", "digitalSignature"),
    (no_team, "signature.team", "signature/files.p7s", "0 OUs"),
    (two_teams, "signature.team", "signature/files.p7s", "2 OUs"),
    (expired, "signature.expired", "signature/files.p7s", "ended on"),
    (unknown_root, "signature.chain", "signature/files.p7s", "stranger"),
    (another_root_of_that_name, "signature.chain", "signature/files.p7s", ""),
]


@pytest.mark.parametrize("sign, check, file, says", SIGNATURES,
                         ids=[f"{row[0].__name__}-{row[1]}" for row in SIGNATURES])
def test_signatures(bundle, workshop, sign, check, file, says):
    bundle.write_manifest()
    sign(bundle, workshop)
    expect(look_twice(bundle, workshop.trust), check, SIGNATURE, file, None, says, only=False)


# --- digest lists ------------------------------------------------------------------------


def signed_list(bundle, workshop, change):
    bundle.write_manifest()
    bundle.sign(workshop.signer, listed=change(list_of(bundle.folder)))


LISTS = [
    ("nothing", lambda text: b"", "files.form", "line 1", "no digest list"),
    ("later", lambda text: text.replace(b"files 1", b"files 2"), "files.form", "line 1", "later netext"),
    ("word", lambda text: text + b"hello\n", "files.form", "line 5", "is no line"),
    ("capitals", lambda text: text + b"A" * 64 + b" 0 - zzz\n", "files.form", "line 5", "is no line"),
    ("zeros", lambda text: text + b"a" * 64 + b" 00 - zzz\n", "files.form", "line 5", "is no line"),
    ("unended", lambda text: text[:-1], "files.form", None, "line end"),
    ("zero-byte", lambda text: text + b"\0\n", "files.form", None, "zero byte"),
    ("absolute", lambda text: text + b"a" * 64 + b" 0 - /etc/passwd\n", "files.path", "line 5", "absolute"),
    ("traversal", lambda text: text + b"a" * 64 + b" 0 - z/../../x\n", "files.path", "line 5", "leads out"),
    ("itself", lambda text: text + b"a" * 64 + b" 0 - signature/files\n", "files.path", "line 5", "itself"),
    ("twice", lambda text: text + text.splitlines(True)[-1], "files.order", "line 5", "is again"),
    ("unsorted", lambda text: b"".join([*text.splitlines(True)[:1], *reversed(text.splitlines(True)[1:])]),
     "files.order", "line 3", "stands behind"),
]


@pytest.mark.parametrize("change, check, key, says", [row[1:] for row in LISTS], ids=[row[0] for row in LISTS])
def test_lists(bundle, workshop, change, check, key, says):
    signed_list(bundle, workshop, change)
    expect(look_twice(bundle, workshop.trust), check, SIGNATURE, "signature/files", key, says, only=False)


def removed(bundle):
    (bundle / "resources/icon.svg").unlink()


def added(bundle):
    bundle.put("resources/more", b"")


def hidden(bundle):
    bundle.put("signature/.more", b"")


def longer(bundle):
    bundle.put("resources/icon.svg", b"<svg/>\n")


def other(bundle):
    bundle.put("resources/icon.svg", b"<SVG/>")


def executable(bundle):
    (bundle / "resources/icon.svg").chmod(0o755)


@pytest.mark.parametrize("change, check, file, says", [
    (removed, "file.missing", "resources/icon.svg", "not there"),
    (added, "file.unlisted", "resources/more", "was added"),
    (hidden, "file.unlisted", "signature/.more", "was added"),
    (longer, "file.size", "resources/icon.svg", "7 bytes, and 6"),
    (other, "file.digest", "resources/icon.svg", "was signed"),
    (executable, "file.executable", "resources/icon.svg", "no program"),
])
def test_changes_after_signing(bundle, workshop, change, check, file, says):
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    change(bundle)
    expect(look_twice(bundle, workshop.trust), check, SIGNATURE, file, None, says, only=False)


# --- trust -------------------------------------------------------------------------------


def trust_with(tmp_path, **files):
    trust = tmp_path / "trust"
    trust.mkdir()
    for name, content in files.items():
        (trust / name.replace("_", ".")).write_bytes(content)
    return trust


def test_what_was_revoked_is_refused(bundle, workshop, tmp_path):
    stolen = workshop.elsewhere("stolen")
    trust = trust_with(tmp_path, root_pem=workshop.root.certificate.read_bytes(), a_crl=workshop.root.revoke(stolen))
    bundle.write_manifest()
    bundle.sign(stolen)
    verdict = look_twice(bundle, trust)
    expect(verdict, "signature.revoked", SIGNATURE, "signature/files.p7s", None, "'stolen'")
    assert "a.crl" in verdict.failed[0]["text"]
    bundle.sign(workshop.signer)
    assert look_twice(bundle, trust).good


def test_what_was_revoked_stays_so_in_developer_mode_and_when_the_list_is_old(bundle, workshop, tmp_path):
    stolen = workshop.elsewhere("stolen-too")
    crl = workshop.root.revoke(stolen, days=0)
    trust = trust_with(tmp_path, root_pem=workshop.root.certificate.read_bytes(), a_crl=crl)
    bundle.write_manifest()
    bundle.sign(stolen)
    bundles.run("sleep", "1.1")
    verdict = verify(bundle.folder, trust, "--developer")
    assert [entry["check"] for entry in verdict.failed] == ["signature.revoked"]
    assert [(entry["check"], entry["key"]) for entry in verdict.warned] == [("trust.revocations", "a.crl")]


def test_a_list_that_cannot_be_read_is_no_reason_to_trust(bundle, workshop, tmp_path):
    trust = trust_with(tmp_path, root_pem=workshop.root.certificate.read_bytes(), a_crl=b"hello")
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    expect(look_twice(bundle, trust), "trust.revocations", SIGNATURE, None, "a.crl", "nothing is trusted")


def test_a_list_by_somebody_else_of_that_name(bundle, workshop, tmp_path):
    impostor = tmp_path / "impostor"
    impostor.mkdir()
    false = Signer(impostor, "root", is_authority=True)
    trust = trust_with(tmp_path, root_pem=workshop.root.certificate.read_bytes(), a_crl=false.revoke(None))
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    expect(look_twice(bundle, trust), "trust.revocations", SIGNATURE, None, "a.crl", "not signed by")


def test_a_root_that_cannot_be_read_is_a_warning(bundle, workshop, tmp_path):
    trust = trust_with(tmp_path, root_pem=workshop.root.certificate.read_bytes(), b_pem=b"hello")
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    verdict = look_twice(bundle, trust)
    assert verdict.good and [(entry["check"], entry["key"]) for entry in verdict.warned] == [("trust.root", "b.pem")]


def a_link(path, content):
    path.symlink_to(content)


def for_root_only(path, content):
    path.write_bytes(content.read_bytes())
    path.chmod(0o600)


@pytest.mark.parametrize("put", [a_link, for_root_only])
def test_a_root_that_the_worker_could_not_read_is_none_for_anybody(bundle, workshop, tmp_path, put):
    trust = trust_with(tmp_path)
    put(trust / "root.pem", workshop.root.certificate)
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    verdict = look_twice(bundle, trust)
    expect(verdict, "signature.chain", SIGNATURE, "signature/files.p7s", None, "(there are 0)")
    assert [(entry["check"], entry["key"]) for entry in verdict.warned] == [("trust.root", "root.pem")]


def test_developer_mode_lets_strangers_pass_and_says_so(bundle, workshop):
    bundle.write_manifest()
    bundle.sign(Signer(workshop.folder, "stranger-too"))
    verdict = verify(bundle.folder, workshop.trust, "--developer")
    assert verdict.good and [entry["check"] for entry in verdict.warned] == ["signature.chain"]
    assert not verdict.facts["signer"]["trusted"] and verdict.facts["signer"]["identity"].startswith("key:")
    same = bundles.worker("verify", bundle.folder, workshop.trust, ["--developer"])
    assert same.said() == verdict.said()


def test_developer_mode_lets_nothing_else_pass(bundle, workshop):
    bundle.write_manifest()
    bundle.sign(Signer(workshop.folder, "stranger-three"))
    bundle.put("resources/icon.svg", b"<SVG/>")
    verdict = verify(bundle.folder, workshop.trust, "--developer")
    assert [entry["check"] for entry in verdict.failed] == ["file.digest"]


@pytest.mark.parametrize("key", [("rsa", "rsa_keygen_bits:2048"), ("ec", "ec_paramgen_curve:P-384")], ids=["rsa", "p-384"])
def test_keys_that_may_sign(bundle, workshop, key):
    bundle.write_manifest()
    bundle.sign(workshop.elsewhere(key[0], key=key))
    assert look_twice(bundle, workshop.trust).good


def test_an_issuer_between_is_found(bundle, workshop):
    between = Signer(workshop.folder, "between", issuer=workshop.root, is_authority=True)
    bundle.write_manifest()
    bundle.sign(Signer(workshop.folder, "below", issuer=between))
    verdict = look_twice(bundle, workshop.trust)
    assert verdict.good and verdict.facts["signer"]["root"] == "root"
