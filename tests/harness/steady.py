# SPDX-License-Identifier: Apache-2.0
"""A steady load of flows, what the far side saw of them, and which of them an extension had allowed.

Three witnesses that know nothing of each other: programs/steady.py, whose flows they are;
programs/witness.py, which sees what reaches the server; and the scripted filter, whose line
`tell TOLD_PORT` reports each flow that it allows before it says so. All times are the real-time clock's.
"""
import collections
import json
import socket
import struct
import subprocess
import threading

from .client import PYTHON
from .lab import Lab
from .paths import SOURCE

PROGRAMS = SOURCE / "tests" / "harness" / "programs"
TOLD_PORT, MARK_PORT = 7000, 7001
SO_TIMESTAMPNS = 35
PATIENCE_S = 30

Flow = collections.namedtuple("Flow", "target local_port began decided error")
Arrival = collections.namedtuple("Arrival", "protocol local_port remote_port at missed_before")


class Steady:
    """`targets`: name → (kind, address, port), see programs/steady.py; each has a flow every `pace_ms`."""

    def __init__(self, lab, targets, pace_ms):
        self.flows, self.arrivals, self.n_missed = [], [], 0
        self.allowed = {}  # (protocol, local port, remote port): when it was first allowed
        self._lab, self._quiet, self._marks = lab, threading.Event(), threading.Semaphore(0)
        ports = sorted({port for _, _, port in targets.values()} | {MARK_PORT})
        self._witness = lab.server.start([PYTHON, "-I", PROGRAMS / "witness.py", "veth0", *ports])
        assert self._witness.stdout.readline() == "ready\n"
        self._programs = lab.client.start([PYTHON, "-I", PROGRAMS / "steady.py", pace_ms,
                                           *(",".join(map(str, (name, *how))) for name, how in targets.items())],
                                          stdin=subprocess.PIPE)
        self.pid = self._programs.pid
        self._told = lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._told.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._told.bind(("127.0.0.1", TOLD_PORT))
        for work in (self._hear_programs, self._hear_witness, self._hear_extension):
            threading.Thread(target=work, daemon=True).start()

    def _hear_programs(self):
        for line in self._programs.stdout:
            told = json.loads(line)
            if told == "quiet":
                self._quiet.set()
            else:
                self.flows.append(Flow(*told))

    def _hear_witness(self):
        for line in self._witness.stdout:
            arrival = Arrival(*json.loads(line))
            self.n_missed += arrival.missed_before
            if arrival.remote_port == MARK_PORT:
                self._marks.release()
            else:
                self.arrivals.append(arrival)

    def _hear_extension(self):
        while True:
            words, ancillary, _, _ = self._told.recvmsg(100, 100)
            if words == b"end":
                return self._told.close()
            if words == b"mark":
                self._marks.release()
                continue
            seconds, ns = struct.unpack("qq", ancillary[0][2])
            self.allowed.setdefault(tuple(map(int, words.split())), seconds + ns / 1e9)

    def _say(self, word):
        self._programs.stdin.write(word + "\n")
        self._programs.stdin.flush()

    def go(self):
        self.flows, self.arrivals, self.allowed = [], [], {}
        self._say("go")

    def pause(self):
        """Until every flow is over, and all that was seen of them is here."""
        self._quiet.clear()
        self._say("pause")
        assert self._quiet.wait(PATIENCE_S), "a flow did not end"
        for address in (("127.0.0.1", TOLD_PORT), (Lab.SERVER, MARK_PORT)):
            self._send(b"mark", address)
            assert self._marks.acquire(timeout=PATIENCE_S), "what was seen did not arrive"
        assert not self.n_missed, "the far side had no room for all that it saw"

    def _send(self, words, address):
        """From this process, which is none of the instance's programs."""
        with self._lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(words, address)

    def close(self):
        self._send(b"end", ("127.0.0.1", TOLD_PORT))
        self._lab.client.stop(self._programs)
        self._lab.server.stop(self._witness)
