# SPDX-License-Identifier: Apache-2.0
"""Apps of an extension with the endpoint `talk`: the program harness/programs/converse.c."""
import pathlib
import subprocess

from .paths import PROGRAMS, for_everybody
from .store import IDENTIFIER, TEAM

CONVERSE = for_everybody(PROGRAMS / "converse")
EVERYONE = [{"name": "talk", "peers": ["everyone"]}]


class App:
    """Programs that talk to the extension's endpoint: app.call("echo a") is the answer."""

    def __init__(self, instance, name="talk", identifier=IDENTIFIER):
        self.instance, self.endpoint = instance.name, f"{TEAM}.{identifier}.{name}"
        self.socket = pathlib.Path("/run/netext", instance.name, "endpoints", self.endpoint)

    def command(self, *arguments):
        return [CONVERSE, self.instance, self.endpoint, *map(str, arguments)]

    def call(self, *texts, **kwargs):
        done = subprocess.run(self.command("call", *texts), capture_output=True, text=True, timeout=30, **kwargs)
        assert done.returncode == 0, done
        return done.stdout.strip()

    def load(self, kind):
        """A program that asks whenever nobody else wants the CPU; end it with .communicate(), which says how it
        went."""
        return subprocess.Popen(["nice", "-n", "19", *self.command(kind)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)


def said(program):
    """(calls, failed, why) of an App.load()."""
    line = program.communicate(timeout=30)[0]
    calls, failed = line.split(" calls, ")[0], line.split(", ")[1].split(" failed")[0]
    return int(calls), int(failed), line.partition("failed: ")[2].strip()
