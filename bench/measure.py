# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: two sites side by side, loaded in turn.

A site is a lab of its own (two network namespaces and a cgroup) with the load's
server in it, and what is measured between client and server. The sites of a
pair are loaded in short turns, ABBA, so that the machine's own drift (tens of
per cent within seconds on a shared host) falls on both. A pair gives one ratio;
the result is the median over several pairs, with the smallest and the largest.

What a site is, is told by a function that sets it up (see sites.py): it gets
the Site, and may return another one, which is called after the load and raises
NotMeasured if the site did something else than it should.
"""
import argparse
import contextlib
import itertools
import operator
import os
import statistics
import time

from loads import LOADS

from harness.lab import Lab

BUSY = 0.1  # of all CPUs, by others
VERDICTS = {True: "ok", False: "missed", None: "report"}

site_numbers = itertools.count(1)


class NotMeasured(Exception):
    """A site did something else than what was to be measured."""


def cpu_ticks():
    """(busy, all) of the whole machine."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def busy_since(before):
    """The share of the machine's CPU time that was used since cpu_ticks() was `before`."""
    after = cpu_ticks()
    return (after[0] - before[0]) / max(1, after[1] - before[1])


def wait_until_quiet(limit):
    """Other work on the machine changes ratios, not only rates (it keeps CPUs from idling,
    which makes wake-ups cheap), so wait for it to end. False if it does not."""
    deadline = time.monotonic() + limit
    while True:
        before = cpu_ticks()
        time.sleep(0.5)
        if busy_since(before) < BUSY:
            return True
        if time.monotonic() > deadline:
            return False


class Site:
    """A lab with the load's server running, set up in one way. `stack` is for what the
    set-up starts and has to be ended before the lab."""

    def __init__(self, options, load, set_up):
        self.options, self.load, self.set_up = options, LOADS[load], set_up
        self.client_options = []
        self.turns = []

    def __enter__(self):
        with contextlib.ExitStack() as self.stack:
            self.lab = self.stack.enter_context(
                Lab(f"netext-bench-{os.getpid()}-{next(site_numbers)}"))
            self.load.start_server(self)
            self.check = self.set_up(self) or (lambda: None)
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)

    def start_service(self, argv, **kwargs):
        """Starts what stands between client and server. Like netext's daemons in a session of its
        own: where the kernel knows sessions (sched_autogroup_enabled), it shares CPUs out among them."""
        self.lab.client.start(argv, cpus=self.options.responder_cpus, start_new_session=True, **kwargs)

    def take_turn(self):
        before = cpu_ticks()
        turn = self.load.take_turn(self, self.load.turn_seconds(self.options.slice))
        turn["busy"] = busy_since(before)
        turn["value"] = turn[self.load.key]
        self.turns.append(turn)

    @property
    def n_connections(self):
        """How many the client has made so far; a bulk stream and a socket's datagrams are one."""
        return sum(turn.get("connections", 1) for turn in self.turns)

    def summary(self):
        """The means of its turns, and how many errors there were in all."""
        return {**{key: statistics.mean(turn[key] for turn in self.turns) for key in self.turns[0]},
                "errors": sum(turn["errors"] for turn in self.turns)}


def measure_pair(options, load, baseline, measured):
    """The summaries of both sides, and whether the machine was quiet."""
    quiet = wait_until_quiet(options.patience)
    with Site(options, load, baseline) as first, Site(options, load, measured) as second:
        n_turns = max(1, round(options.seconds / first.load.turn_seconds(options.slice)))
        for i in range(n_turns):
            for site in (first, second) if i % 2 == 0 else (second, first):
                site.take_turn()
        for site in (first, second):
            site.check()
        return {"baseline": first.summary(), "measured": second.summary(), "quiet": quiet}


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measure(options, load, baseline, measured, compare=operator.truediv):
    """{"reached": {median, min, max}, "baseline": {key: median}, "measured": …, "busy_pairs"}."""
    pairs = [measure_pair(options, load, baseline, measured) for _ in range(options.pairs)]
    result = {"reached": spread([compare(pair["measured"]["value"], pair["baseline"]["value"])
                                 for pair in pairs])}
    for side in ("baseline", "measured"):
        result[side] = {key: statistics.median(pair[side][key] for pair in pairs)
                        for key in pairs[0][side]}
        result[side]["errors"] = sum(pair[side]["errors"] for pair in pairs)
    result["busy_pairs"] = sum(not pair["quiet"] for pair in pairs)
    return result


def cpu_set(text):
    return {int(cpu) for cpu in text.split(",")}


def argument_parser(description, patience):
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of a ratio (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3,
                        help="length of each side of a pair, in turns (%(default)s)")
    parser.add_argument("--slice", type=float, default=0.5, help="one turn (%(default)s)")
    parser.add_argument("--patience", type=float, default=patience,
                        help="how long a pair waits for a quiet machine (%(default)s)")
    parser.add_argument("--client-cpus", type=cpu_set, help="such as 0 or 0,1 (any)")
    parser.add_argument("--server-cpus", type=cpu_set)
    parser.add_argument("--responder-cpus", type=cpu_set)
    return parser
