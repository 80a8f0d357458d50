#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the kernel's part of steering costs: connection tracking, the walk
through an output chain, and a question to user space about each new flow.

Each variant is measured against a site without any netfilter (see measure.py).
`none` against itself is the noise.

    sudo NETEXT_BUILD=build bench/steering-cost.py [--loads A,…] [--variants A,…]
"""
import json
import signal
import sys

import sites
from loads import TCP_LOADS
from measure import argument_parser, measure

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
# Without connection tracking: TCP only, and a later SYN asks again.
UNTRACKED_QUEUE_RULES = sites.QUEUE_RULES[-1:]


def chain(second):
    return lambda site: site.lab.client.nft(
        CHAIN.format(cgroup=site.lab.cgroup.nft_path, second=second))


VARIANTS = {
    "none": sites.none,
    "conntrack": sites.conntrack,
    "chain+conntrack": chain("ct mark"),
    "chain": chain("meta mark"),
    "queue-rules": lambda site: sites.add_queue_rules(site, sites.QUEUE_RULES),
    "single": sites.responder("single"),
    "pair": sites.responder("pair"),
    "single-untracked": sites.responder("single", UNTRACKED_QUEUE_RULES),
    "pair-untracked": sites.responder("pair", UNTRACKED_QUEUE_RULES),
}


def print_result(load, variant, result):
    ratio, none, other = result["reached"], result["baseline"], result["measured"]
    line = f"{load:11} {variant:16} {ratio['median']:6.3f}"
    line += f" ({ratio['min']:.3f} to {ratio['max']:.3f})"
    line += f"  {other['value']:9.1f} : {none['value']:9.1f}"
    for key, name in (("connect_p50_us", "p50"), ("connect_p99_us", "p99")):
        if key in other:
            line += f"  {name} {other[key]:6.1f} : {none[key]:6.1f} us"
    line += f"  busy {other['busy']:.2f} : {none['busy']:.2f}"
    if other["errors"] or none["errors"]:
        line += f"  ERRORS {other['errors']} : {none['errors']}"
    if result["busy_pairs"]:
        line += "  (the machine is busy with other work)"
    print(line, flush=True)


def main():
    parser = argument_parser(__doc__, patience=300)
    parser.add_argument("--loads", default=",".join(TCP_LOADS), help="(%(default)s)")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is cleaned up
    for load in options.loads.split(","):
        for variant in options.variants.split(","):
            result = measure(options, load, sites.none, VARIANTS[variant])
            if options.json:
                print(json.dumps({"load": load, "variant": variant, **result}), flush=True)
            else:
                print_result(load, variant, result)


if __name__ == "__main__":
    sys.exit(main())
