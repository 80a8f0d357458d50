# SPDX-License-Identifier: Apache-2.0
"""A row about installed extensions: how long it takes from asking for one until it runs.

By netextd's own record of each request: the bundle is copied and verified by two workers, one after
the other, the extension is started, and it said hello. A policy approves it, as no person is asked.
"""
import collections
import os
import pathlib
import tempfile

from measure import VERDICTS, spread

from harness.instance import Instance
from harness.lab import Lab
from harness.store import TEAM, Store, Workshop
from harness.wait import wait_until

N_ACTIVATIONS = 40  # of one series


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def once(store, bundle):
    """Milliseconds until it runs; it is taken away again."""
    request = store.activate(bundle)
    store.do("deactivate", request["identifier"])
    return (request["ended_ns"] - request["submitted_ns"]) / 1e6


def series():
    """The milliseconds of each activation."""
    name = f"bench-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="netext-") as place, Lab(f"netext-{name}") as lab:
        os.chmod(place, 0o711)
        folder = pathlib.Path(place)
        workshop = Workshop(folder, folder / "state")
        workshop.trust_signer()
        workshop.write_policy(AllowedTeamIdentifiers=[TEAM])
        instance = Instance(lab, name, folder / "netextd.log", arguments=workshop.arguments)
        try:
            store = Store(instance.start())
            wait_until(lambda: instance.ctl("extension", "policy"), "the policy was not read")
            bundle = workshop.bundle()
            return [once(store, bundle) for _ in range(N_ACTIVATIONS)]
        finally:
            instance.stop()


class ActivationTime(collections.namedtuple("ActivationTime", "at_most")):
    """A row: the 99th percentile of the time from activation to running, in ms."""

    name = "activation to running, ms, p99: a small extension"

    def measure(self, options):
        all_series = [series() for _ in range(options.pairs)]
        reached = spread([percentile(one, 99) for one in all_series])
        median = percentile([ms for one in all_series for ms in one], 50)
        return {"verdict": VERDICTS[reached["median"] <= self.at_most], "reached": reached,
                "at_most": self.at_most, "remark": f"half of them within {median:.0f} ms"}
