# SPDX-License-Identifier: Apache-2.0
"""netextctl ask: a prompt that a test answers, as a program (JSON lines) or as a person (a pty)."""
import json
import os
import pty
import select
import subprocess
import time

from .namespace import wait_for_line
from .wait import wait_until


class Prompt:
    """`netextctl ask --json`: what it was asked are dicts, what it is answered too."""

    def __init__(self, netext):
        self.netext = netext
        before = netext.status()["prompts"]
        self.process = netext.lab.client.start(netext.ctl_command("ask", "--json"), cgroup=netext.lab.daemons.path,
                                               stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: netext.status()["prompts"] == before + 1, "the prompt is not attached")

    def event(self, timeout=15):
        """The next thing that it tells."""
        return json.loads(wait_for_line(self.process, "{", timeout))

    def question(self, timeout=15):
        event = self.event(timeout)
        assert event["event"] == "asked", event
        return event

    def answer(self, question, verdict, **how):
        self.process.stdin.write(json.dumps({"question": question["question"], "verdict": verdict, **how}) + "\n")
        self.process.stdin.flush()

    def close(self):
        self.netext.lab.client.stop(self.process)


class Terminal:
    """`netextctl ask`, or another command, at a terminal of its own."""

    def __init__(self, netext, command=None, **kwargs):
        self.netext, self.seen = netext, ""
        self.fd, theirs = pty.openpty()
        self.process = netext.lab.client.start(command or netext.ctl_command("ask"), cgroup=netext.lab.daemons.path,
                                               stdin=theirs, stdout=theirs, stderr=theirs, **kwargs)
        os.close(theirs)

    def wait_for(self, text, timeout=15):
        """Until it was shown; all that was shown up to then, once."""
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"no {text!r} in {self.seen!r}"
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"the program has ended: {self.seen!r}") from None
        shown, _, self.seen = self.seen.partition(text)
        return shown + text

    def type(self, line):
        os.write(self.fd, (line + "\n").encode())

    def close(self):
        self.netext.lab.client.stop(self.process)
        os.close(self.fd)
