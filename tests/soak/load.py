# SPDX-License-Identifier: Apache-2.0
"""The soak's programs: a server and clients, whose lines go to the ledger."""
import json
import subprocess
import threading

import content
import ways
from harness.lab import Lab
from harness.client import PYTHON
from harness.paths import SOURCE

FOLDER = SOURCE / "tests" / "soak"
QUIET_S = 5 * content.HANG_S


class Load:
    """`n_flows` at a time, from two programs."""

    def __init__(self, lab, ledger, n_flows, seed):
        self._ledger, self._quiet = ledger, threading.Semaphore(0)
        self.server = lab.server.start([PYTHON, FOLDER / "server.py", *ways.PORTS.values(), ways.REFUSED_PORT],
                                       stdin=subprocess.PIPE)
        if self.server.stdout.readline() != "ready\n":
            raise RuntimeError("the soak's server did not start")
        self.clients = [lab.client.start([PYTHON, FOLDER / "client.py", Lab.SERVER, n_flows // 2, seed * 2 + number],
                                         stdin=subprocess.PIPE) for number in range(2)]
        for process in (self.server, *self.clients):
            threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def _listen(self, process):
        for line in process.stdout:
            event = json.loads(line)
            if event["at"] == "quiet":
                self._quiet.release()
            else:
                self._ledger.told(event)

    def go(self):
        self._say("go")

    def pause(self):
        """Until every exchange is over. False where one is not."""
        self._say("pause")
        return all([self._quiet.acquire(timeout=QUIET_S) for _ in self.clients])

    def _say(self, word):
        for client in self.clients:
            client.stdin.write(word + "\n")
            client.stdin.flush()

    def ended(self):
        """The programs that are no more, which they should be."""
        return [" ".join(process.args) for process in (self.server, *self.clients) if process.poll() is not None]
