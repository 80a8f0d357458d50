# SPDX-License-Identifier: Apache-2.0
"""Bundles as others would make them: with Python, cc, tar and the openssl program, none of ours.

What netextctl and the worker say of them is asked here too, in one shape: a Verdict.
"""
import hashlib
import json
import os
import pathlib
import socket
import struct
import subprocess

from harness.paths import NETEXTCTL, STAGE, for_everybody

WORKER = STAGE / "libexec" / "netext" / "netext-bundle"
NOBODY = 65534

MANIFEST = {
    "identifier": "com.example.filter",
    "version": "1.4.2",
    "short_version": "1.4",
    "team": "EXAMPLE",
    "name": "Example Filter",
    "vendor": "Example",
    "usage_description": "Keeps mail where it is.",
    "icon": "resources/icon.svg",
    "executable": "bin/filter",
    "providers": ["filter"],
    "capabilities": ["filter-provider"],
    "endpoints": [{"name": "control", "peers": [{"group": "users"}]}],
    "groups": ["shared"],
}

PROGRAM = "int main(void) { return 2; }\n"
LIBRARY = "int answer(void);\nint answer(void) { return 42; }\n"
CALLER = "int answer(void);\nint main(void) { return answer(); }\n"


def run(*argv, **kwargs):
    return subprocess.run([str(arg) for arg in argv], check=True, capture_output=True, **kwargs)


def compile(source, target, *flags):
    """The C source as a program, or whatever flags make of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    run("cc", "-x", "c", "-", "-o", target, *flags, input=source.encode())
    return target


class Signer:
    """A key with its certificate, self-made or by an issuer."""

    def __init__(self, folder, name, team="EXAMPLE", issuer=None, key=("ec", "ec_paramgen_curve:P-256"),
                 extensions=("keyUsage=critical,digitalSignature", "extendedKeyUsage=codeSigning"),
                 days=30, subject=None, is_authority=False):
        self.key, self.certificate = folder / f"{name}.key", folder / f"{name}.pem"
        self.name, self.issuer, self.folder = name, issuer, folder
        extensions = ("basicConstraints=critical,CA:TRUE",) if is_authority else \
            ("basicConstraints=critical,CA:FALSE", *extensions)
        by = ("-CA", issuer.certificate, "-CAkey", issuer.key) if issuer else ()
        argv = ["openssl", "req", "-x509", "-newkey", key[0], "-pkeyopt", key[1], "-nodes",
                "-keyout", self.key, "-out", self.certificate, "-days", days, *by,
                "-subj", subject or f"/OU={team}/CN={name}"]
        for extension in extensions:
            argv += ["-addext", extension]
        run(*argv, cwd=folder)

    def expire(self):
        """The same certificate once more, which ended yesterday."""
        run("openssl", "x509", "-in", self.certificate, "-signkey", self.key, "-days", "-1",
            "-out", self.certificate)
        return self

    def sign(self, content, *options):
        """CMS over the content, DER, detached."""
        listed = self.folder / f"{self.name}.content"
        listed.write_bytes(content)
        chain = ("-certfile", self.issuer.certificate) if self.issuer else ()
        return run("openssl", "cms", "-sign", "-binary", "-outform", "DER", "-nosmimecap",
                   "-signer", self.certificate, "-inkey", self.key, "-in", listed, *chain, *options).stdout

    def revoke(self, signer, days=30):
        """A revocation list with the signer's certificate in it, as PEM."""
        base = self.folder / f"{self.name}-ca"
        base.mkdir(exist_ok=True)
        (base / "index").write_text("")
        (base / "crlnumber").write_text("01\n")
        (base / "conf").write_text(
            f"[ca]\ndefault_ca=own\n[own]\ndatabase={base}/index\ncrlnumber={base}/crlnumber\n"
            f"default_md=sha256\ndefault_crl_days={days}\n")
        common = ("openssl", "ca", "-config", base / "conf", "-cert", self.certificate, "-keyfile", self.key)
        if signer:
            run(*common, "-revoke", signer.certificate)
        run(*common, "-gencrl", "-out", base / "crl", *(("-crlsec", "1") if days == 0 else ()))
        return (base / "crl").read_bytes()


def list_of(folder):
    """What signature/files has to say."""
    lines = [b"netext-files 1\n"]
    for path in sorted((path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()),
                       key=lambda path: os.fsencode(path.relative_to(folder))):
        name = os.fsencode(path.relative_to(folder))
        if name in (b"signature/files", b"signature/files.p7s"):
            continue
        content = path.read_bytes()
        mode = b"x" if path.stat().st_mode & 0o111 else b"-"
        lines.append(b"%s %d %s %s\n" % (hashlib.sha256(content).hexdigest().encode(), len(content), mode, name))
    return b"".join(lines)


class Bundle:
    """A folder that becomes a bundle."""

    def __init__(self, folder, program):
        self.folder, self.manifest = folder, json.loads(json.dumps(MANIFEST))
        for name in ("bin", "lib", "resources", "signature"):
            (folder / name).mkdir(parents=True)
        self.put("bin/filter", program.read_bytes(), 0o755)
        self.put("resources/icon.svg", b"<svg/>")

    def __truediv__(self, name):
        return self.folder / name

    def put(self, name, content, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def write_manifest(self):
        if self.manifest is not None:
            self.put("manifest.json", json.dumps(self.manifest).encode())

    def sign(self, signer, *options, listed=None):
        """Lists what is there, or takes the list that is given, and signs that."""
        content = list_of(self.folder) if listed is None else listed
        self.put("signature/files", content)
        self.put("signature/files.p7s", signer.sign(content, *options))

    def archive(self, path, *options):
        run("tar", "--format=pax", "-C", self.folder, *options, "-cf", path, ".")
        return path


class Verdict:
    """What was said of a bundle, by whoever looked at it."""

    def __init__(self, checks, good, facts=None):
        self.checks, self.good, self.facts = checks, good, facts or {}

    @property
    def failed(self):
        return [check for check in self.checks if check["result"] == "failed"]

    @property
    def warned(self):
        return [check for check in self.checks if check["result"] == "warned"]

    def said(self):
        """What has to be the same for everybody who looks."""
        return [(check["check"], check["result"], check["file"], check["key"], check["text"])
                for check in self.checks]


def netextctl(*arguments, **kwargs):
    return subprocess.run([str(NETEXTCTL), "extension", *map(str, arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, start_new_session=True, **kwargs)


def verify(path, trust, *options):
    """netextctl extension verify."""
    done = netextctl("verify", path, "--trust", trust, "--json", *options)
    assert done.returncode in (0, 1) and done.stderr == "", done
    facts = json.loads(done.stdout)
    assert facts["good"] == (done.returncode == 0)
    return Verdict(facts["checks"], facts["good"], facts)


# The numbers of src/wire/table.h.
CHECK, FACT, DONE = 96, 97, 98
ATTRIBUTES = {2: "name", 3: "text", 4: "result", 12: "count", 49: "key", 90: "check_result", 91: "file"}
RESULTS = {1: "passed", 2: "warned", 3: "failed", 4: "skipped"}


def messages(datagram):
    """The messages of a datagram: (number, attributes)."""
    while datagram:
        number, _, size, _ = struct.unpack_from("<HHIQ", datagram)
        values, at = {}, 16
        while at < size:
            attribute, length = struct.unpack_from("<HH", datagram, at)
            raw = datagram[at + 4:at + 4 + length]
            text = attribute in (2, 3, 49, 91)
            values[ATTRIBUTES[attribute]] = raw[:-1].decode("utf-8", "replace") if text \
                else int.from_bytes(raw, "little", signed=attribute == 4)
            at += 4 + length
        yield number, values
        datagram = datagram[size:]


def listen(ours):
    """What the worker says until it is done or gone: (checks, facts, what DONE said or None)."""
    checks, facts = [], []
    while True:
        datagram = ours.recv(1 << 20)
        if not datagram:
            return checks, facts, None
        for number, values in messages(datagram):
            if number == CHECK:
                checks.append({"check": values["name"], "result": RESULTS[values["check_result"]],
                               "file": values.get("file"), "key": values.get("key"), "text": values["text"]})
            elif number == FACT:
                facts.append((values["key"], values.get("text", values.get("count"))))
            elif number == DONE:
                return checks, facts, values


def worker(job, source, other=None, options=()):
    """Runs netext-bundle as netextd does: as nobody, with its descriptors and nothing else."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    source_fd = os.open(source, os.O_RDONLY)
    other_fd = os.open(other, os.O_RDONLY) if other else -1

    def become():
        for fd, number in ((theirs.fileno(), 103), (source_fd, 104), (other_fd, 105)):
            if fd >= 0:
                os.dup2(fd, number)
        for number in (3, 4, 5):
            os.dup2(number + 100, number) if number < 5 or other_fd >= 0 else os.closerange(5, 6)
        os.closerange(6, 200)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    process = subprocess.Popen([str(for_everybody(WORKER)), job, *options], preexec_fn=become, close_fds=False,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    theirs.close()
    os.close(source_fd)
    if other_fd >= 0:
        os.close(other_fd)
    try:
        ours.settimeout(60)
        checks, facts, done = listen(ours)
        _, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        ours.close()
    assert done is not None, f"the worker ended with {process.returncode}: {complaint.decode()}"
    assert process.returncode == 0
    failed = any(check["result"] == "failed" for check in checks)
    return Verdict(checks, done["result"] == 0 and not failed, {"facts": facts, **done})


def look(bundle, trust, *options):
    """By the worker."""
    return worker("verify", bundle, trust, options)


def stage(source, target):
    """By the worker: the copy, and what was said."""
    target.mkdir()
    os.chown(target, NOBODY, NOBODY)
    return worker("stage", source, target)
