# SPDX-License-Identifier: Apache-2.0
"""Extensions to be installed: bundles of the test program `installed`, signed by keys that tests make."""
import json
import shutil

from .bundles import Bundle, Signer
from .paths import PROGRAMS
from .wait import wait_until

PROGRAM = PROGRAMS / "installed"
TEAM = "EXAMPLE"
IDENTIFIER = "com.example.filter"


class Workshop:
    """Where bundles are made: workshop.bundle(version="1.1", refuse=80) is the folder of one.

    The state directory is not below the folder, which may be root's alone: extensions have to get there.
    """

    def __init__(self, folder, state):
        self.folder = folder
        self.trust = folder / "trust"
        self.policy = folder / "policy"
        self.state = state
        for path in (self.trust, self.policy):
            path.mkdir()
        self.signer = Signer(folder, "signer", TEAM)
        self.made = 0

    def trust_signer(self, signer=None):
        shutil.copy((signer or self.signer).certificate, self.trust)

    def bundle(self, identifier=IDENTIFIER, version="1.0", refuse=0, fate="", signer=None, program=PROGRAM,
               endpoints=(), groups=(), app=None, files=None, **manifest):
        """app: the program that it runs, and its arguments; files: paths by their names in the bundle."""
        self.made += 1
        folder = self.folder / f"bundle-{self.made}"
        bundle = Bundle(folder, program)
        bundle.put("resources/identifier", f"{identifier}\n".encode())
        bundle.put("resources/refuse", f"{refuse}\n".encode())
        bundle.put("resources/fate", f"{'runs' if app else fate}\n".encode())
        if app:
            bundle.put("bin/app", app[0].read_bytes(), 0o755)
            bundle.put("resources/app", " ".join(map(str, app)).encode())
        for name, path in (files or {}).items():
            bundle.put(name, path.read_bytes(), path.stat().st_mode & 0o777)
        bundle.manifest.update(identifier=identifier, version=version, short_version=version,
                               endpoints=list(endpoints), groups=list(groups), **manifest)
        bundle.write_manifest()
        bundle.sign(signer or self.signer)
        return folder

    @property
    def arguments(self):
        """What netextd is told of it."""
        return ["--state-directory", self.state, "--policy-directory", self.policy,
                "--trust-directory", self.trust]

    def write_policy(self, name="office", **keys):
        """policy.d/office.json with these keys; policy.d is as before when the file is removed."""
        path = self.policy / f"{name}.json"
        path.write_text(json.dumps(keys), encoding="utf-8")
        return path

    def staged(self):
        """What lies in the state directory, as paths in it: nothing that belongs to nothing."""
        return sorted(str(path.relative_to(self.state)) for kind in ("staging", "extensions", "data", "groups",
                                                                         "keys/vault")
                      for path in self.state.glob(f"{kind}/*"))


class Store:
    """The extension verbs of an instance."""

    def __init__(self, instance):
        self.instance = instance

    def run(self, *arguments, **kwargs):
        return self.instance.run_ctl("extension", *arguments, **kwargs)

    def do(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode == 0, f"extension {' '.join(map(str, arguments))}: {done.stderr}\n{self.instance.messages()}"
        return done.stdout

    def refused(self, *arguments):
        """What is said where it is refused."""
        done = self.run(*arguments)
        assert done.returncode == 1, done
        return done.stderr

    def activate(self, bundle, *options):
        """Until it is enabled; the record of its request."""
        return self.instance.ctl("extension", "activate", bundle, *options)

    def submit(self, bundle, *options):
        """Its request's number, at once."""
        return int(self.do("activate", bundle, "--no-wait", *options))

    def request(self, number):
        return self.instance.ctl("extension", "request", number)

    def wait_for(self, number, status, timeout=15):
        """Until the request is so; its record."""

        def found():
            record = self.request(number)
            return record if record["status"] == status else None

        return wait_until(found, lambda: f"request {number} is not {status}: {self.request(number)}\n"
                                         f"{self.instance.messages()}", timeout)

    def outcome(self, number, timeout=15):
        """The record of a request that has one."""

        def ended():
            record = self.request(number)
            return record if record["status"] in ("finished", "failed") else None

        return wait_until(ended, lambda: f"request {number} has no outcome: {self.request(number)}\n"
                                         f"{self.instance.messages()}", timeout)

    def list(self):
        return self.instance.ctl("extension", "list")

    def extension(self, identifier=IDENTIFIER):
        """The record of its one copy, or None."""
        found = [one for one in self.list() if one["identifier"] == identifier]
        assert len(found) <= 1, found
        return found[0] if found else None

    def wait_for_extension(self, identifier=IDENTIFIER, timeout=10, **wanted):
        """Until its record is so: wait_for_extension(active=True)."""

        def found():
            record = self.extension(identifier)
            return record if record and all(record.get(key) == value for key, value in wanted.items()) else None

        return wait_until(found, lambda: f"{identifier} is not {wanted}: {self.list()}\n{self.instance.messages()}",
                          timeout)

    def why(self, word=IDENTIFIER):
        return self.instance.ctl("extension", "why", word)

    def failed(self, word=IDENTIFIER):
        """The checks that failed, by name."""
        return {check["check"]: check for check in self.why(word) if check["result"] == "failed"}

    def wait_for_extension_version(self, version, **wanted):
        """Until the copy of that version runs; its record."""

        def found():
            return next((one for one in self.list() if one["version"] == version and one["active"] and
                         all(one.get(key) == value for key, value in wanted.items())), None)

        return wait_until(found, lambda: f"version {version} does not run: {self.list()}")
