#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the kernel's part of steering costs: connection tracking, the walk
through an output chain, and a question to user space about each new flow.

Every measurement of a variant is interleaved with one without any netfilter;
the result is the median of the ratios of these pairs, with the smallest and
the largest. `none` against itself is the noise.
"""
import argparse
import collections
import contextlib
import json
import os
import signal
import statistics
import sys
import time

from netlab import Cgroup, Lab

PORT = "7000"
QUEUE = "7"
MARK = "0x4e580001"

# Five rules that every packet of the application walks through and none matches.
# {second} is the one that differs: connection mark or another packet mark.
CHAIN = """
table inet bench {{
        chain output {{
                type route hook output priority mangle; policy accept;
                meta mark & 0x00ff0000 == 0x00010000 accept
                {second} & 0x00ff0000 == 0x00020000 accept
                meta mark & 0x00ff0000 == 0x00030000 drop
                socket cgroupv2 level 1 != "{cgroup}" accept
                tcp flags & (fin | syn) == fin | syn drop
        }}
}}
"""
CONNTRACK = """
table inet bench {
        chain output {
                type filter hook output priority filter; policy accept;
                ct mark 0x4e58ffff drop
        }
}
"""

# The least that asks once for each flow. Packets of an answered flow leave at
# the first rule. The repeated SYN bears the mark: saved by the second rule, kept
# from the queue by the third. Without a listener packets pass (bypass).
QUEUE_RULES = [
    ["-m", "connmark", "--mark", MARK, "-j", "ACCEPT"],
    ["-m", "mark", "--mark", MARK, "-j", "CONNMARK", "--save-mark"],
    ["-p", "tcp", "--syn", "-m", "mark", "--mark", "0",
     "-j", "NFQUEUE", "--queue-num", QUEUE, "--queue-bypass"],
]
# The same without connection tracking: TCP only, and a later SYN asks again.
UNTRACKED_QUEUE_RULES = QUEUE_RULES[-1:]


def add_chain(second):
    def add(lab, options):
        lab.client.nft(CHAIN.format(cgroup=options.cgroup.nft_path, second=second))

    return add


def add_queue_rules(lab, rules):
    for rule in rules:
        lab.client.run(["iptables-nft", "-w", "-t", "mangle", "-A", "OUTPUT"] + rule)


def add_responder(kind, rules):
    def add(lab, options):
        lab.client.start([program(options, f"responder-{kind}"), QUEUE, MARK],
                         ready="ready", cpus=options.responder_cpus)
        add_queue_rules(lab, rules)

    return add


VARIANTS = {
    "none": lambda lab, options: None,
    "conntrack": lambda lab, options: lab.client.nft(CONNTRACK),
    "chain+conntrack": add_chain("ct mark"),
    "chain": add_chain("meta mark"),
    "queue-rules": lambda lab, options: add_queue_rules(lab, QUEUE_RULES),
    "single": add_responder("single", QUEUE_RULES),
    "pair": add_responder("pair", QUEUE_RULES),
    "single-untracked": add_responder("single", UNTRACKED_QUEUE_RULES),
    "pair-untracked": add_responder("pair", UNTRACKED_QUEUE_RULES),
}
Load = collections.namedtuple("Load", "mode arguments key")
LOADS = {
    "connect-1": Load("echo", ["connect", Lab.SERVER, PORT, "--clients", "1"], "rate"),
    "connect-16": Load("echo", ["connect", Lab.SERVER, PORT, "--clients", "16"], "rate"),
    "bulk": Load("sink", ["bulk", Lab.SERVER, PORT], "gbit_per_s"),
}


def program(options, name):
    return os.path.join(options.build, f"netext-bench-{name}")


def cpu_ticks():
    """(busy, all) of the whole machine."""
    with open("/proc/stat") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


@contextlib.contextmanager
def site(options, variant, load):
    """A fresh lab with the server running and the variant set up."""
    with Lab() as lab:
        lab.server.start([program(options, "load"), "server", Lab.SERVER, PORT,
                          "--mode", LOADS[load].mode], ready="ready", cpus=options.server_cpus)
        VARIANTS[variant](lab, options)
        yield lab


def measure_slice(options, lab, load):
    before = cpu_ticks()
    done = lab.client.run([program(options, "load")] + LOADS[load].arguments
                          + ["--seconds", str(options.slice)],
                          cgroup=options.cgroup, cpus=options.client_cpus)
    after = cpu_ticks()
    result = json.loads(done.stdout)
    result["value"] = result[LOADS[load].key]
    result["busy"] = (after[0] - before[0]) / max(1, after[1] - before[1])
    return result


def count_asked(lab):
    """How many packets the queue has handed to user space: its id sequence."""
    lines = lab.client.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout.splitlines()
    return sum(int(line.split()[7]) for line in lines)


def check_asked(lab, variant, slices):
    """A responder that was not asked about every flow measures nothing."""
    n_asked, n_connections = count_asked(lab), sum(slice.get("connections", 0) for slice in slices)
    if variant.startswith(("single", "pair")) and n_asked < n_connections:
        raise RuntimeError(f"{variant}: asked {n_asked} times for {n_connections} connections")


def wait_until_quiet(limit=300):
    """Other work on the machine changes ratios, not only rates (it keeps CPUs
    from idling, which makes wake-ups cheap), so wait for it to end."""
    deadline = time.monotonic() + limit
    while True:
        before = cpu_ticks()
        time.sleep(0.5)
        after = cpu_ticks()
        if after[0] - before[0] < 0.1 * (after[1] - before[1]):
            return
        if time.monotonic() > deadline:
            print("warning: the machine is busy with other work", file=sys.stderr, flush=True)
            return


def mean_of(slices):
    return {key: statistics.mean(slice[key] for slice in slices) for key in slices[0]}


def measure_pair(options, variant, load):
    """Both sites stand side by side and are loaded in turn, ABBA, so that the
    machine's own drift (tens of per cent within seconds on a shared host)
    falls on both."""
    slices = ([], [])
    wait_until_quiet()
    with site(options, "none", load) as none, site(options, variant, load) as other:
        for i in range(max(1, round(options.seconds / options.slice))):
            for side in ((0, 1) if i % 2 == 0 else (1, 0)):
                slices[side].append(measure_slice(options, (none, other)[side], load))
        check_asked(other, variant, slices[1])
    return mean_of(slices[0]), mean_of(slices[1])


def median_of(pairs, side, key):
    values = [pair[side][key] for pair in pairs if key in pair[side]]
    return round(statistics.median(values), 3) if values else None


def summarize(variant, load, pairs):
    ratios = [after["value"] / before["value"] for before, after in pairs]
    summary = {"load": load, "variant": variant, "ratio": round(statistics.median(ratios), 3),
               "min": round(min(ratios), 3), "max": round(max(ratios), 3)}
    for key in ("value", "busy", "errors", "connect_p50_us", "connect_p99_us"):
        summary[key] = median_of(pairs, 1, key)
        summary["none_" + key] = median_of(pairs, 0, key)
    return summary


def print_summary(summary):
    line = "{load:11} {variant:16} {ratio:6.3f} ({min:.3f} to {max:.3f})".format(**summary)
    line += "  {value:9.1f} : {none_value:9.1f}".format(**summary)
    if summary["connect_p50_us"] is not None:
        line += "  p50 {connect_p50_us:6.1f} : {none_connect_p50_us:6.1f} us".format(**summary)
        line += "  p99 {connect_p99_us:6.1f} : {none_connect_p99_us:6.1f} us".format(**summary)
    line += "  busy {busy:.2f} : {none_busy:.2f}".format(**summary)
    if summary["errors"] or summary["none_errors"]:
        line += "  ERRORS {errors} : {none_errors}".format(**summary)
    print(line, flush=True)


def cpu_set(text):
    return {int(cpu) for cpu in text.split(",")}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/bench", help="folder of programs (%(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of a measurement (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3,
                        help="length of each side of a pair, in turns (%(default)s)")
    parser.add_argument("--slice", type=float, default=0.5, help="one turn (%(default)s)")
    parser.add_argument("--loads", default=",".join(LOADS), help="(%(default)s)")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="(%(default)s)")
    parser.add_argument("--client-cpus", type=cpu_set, help="such as 0 or 0,1 (any)")
    parser.add_argument("--server-cpus", type=cpu_set)
    parser.add_argument("--responder-cpus", type=cpu_set)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser.parse_args()


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is cleaned up
    with Cgroup("app") as options.cgroup:
        for load in options.loads.split(","):
            for variant in options.variants.split(","):
                pairs = [measure_pair(options, variant, load) for _ in range(options.pairs)]
                summary = summarize(variant, load, pairs)
                if options.json:
                    print(json.dumps(summary), flush=True)
                else:
                    print_summary(summary)


if __name__ == "__main__":
    sys.exit(main())
