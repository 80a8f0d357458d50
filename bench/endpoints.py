# SPDX-License-Identifier: Apache-2.0
"""Rows about named endpoints: what a round trip costs, and how many events a consumer gets.

Both are measured by one program (endpoint.c), which is app, extension and netextd's endpoints in
processes of their own: once a connection is handed over, netextd has no part in it.
"""
import collections
import json
import os
import subprocess

from measure import VERDICTS, spread

from harness.paths import BUILD

PROGRAM = BUILD / "bench" / "netext-bench-endpoint"


def run(what, options):
    done = subprocess.run([PROGRAM, what, str(options.seconds)], capture_output=True, text=True,
                          timeout=60 + 10 * options.seconds)
    if done.returncode != 0:
        raise RuntimeError(f"{PROGRAM.name} {what}: {done.stderr.strip()}")
    return json.loads(done.stdout)


class RoundTrip(collections.namedtuple("RoundTrip", "at_most")):
    """A row: the time of a round trip of 64 bytes, in times of one over a bare socket pair."""

    name = "endpoint round trip, 64 bytes ÷ bare SOCK_SEQPACKET"

    def measure(self, options):
        samples = [run("trips", options) for _ in range(options.pairs)]
        reached = spread([sample["bare"] / sample["endpoint"] for sample in samples])
        rates = {key: spread([sample[key] for sample in samples])["median"] for key in samples[0]}
        return {"verdict": VERDICTS[reached["median"] <= self.at_most], "reached": reached,
                "at_most": self.at_most,
                "remark": f"{rates['endpoint']:.0f} : {rates['bare']:.0f} /s; load {os.getloadavg()[0]:.1f}"}


class Events(collections.namedtuple("Events", "at_least")):
    """A row: events a second that reach one consumer without libnetext, in units of 100,000."""

    name = "events of 64 bytes to one consumer in plain C, 100,000/s"

    def measure(self, options):
        samples = [run("events", options) for _ in range(options.pairs)]
        reached = spread([sample["events"] / 100000 for sample in samples])
        dropped = sum(sample["dropped"] for sample in samples)
        return {"verdict": VERDICTS[reached["median"] >= self.at_least], "reached": reached,
                "at_least": self.at_least,
                "remark": f"{dropped} dropped; load {os.getloadavg()[0]:.1f}"}
