# SPDX-License-Identifier: Apache-2.0
"""What an instance could leave behind: seen before, and again after."""
import json
import pathlib

from .namespace import run
from .paths import CGROUP2

# What tells of it, and what that is asked: a program that is asked several things is started once.
COMMANDS = {
    "nft": ("nft -s list ruleset", ""),
    "ipv4": ("ip -o -batch -", "rule\nroute show table all\nlink\n"),
    "ipv6": ("ip -6 -o -batch -", "rule\nroute show table all\n"),
}
ROOTS = ("/run/netext", "/sys/fs/bpf/netext")


def of_network(run):
    """Every netfilter rule, policy rule, route and link where run() runs programs."""
    return {key: run(command.split(), input=asked).stdout for key, (command, asked) in COMMANDS.items()}


def of_namespace(namespace):
    return of_network(namespace.run)


def of_instance(name):
    """What bears the instance's name: folders, pinned BPF, cgroups, mounts. And the kernel's word on whether
    something went wrong in it (D10)."""
    found = [str(path) for root in ROOTS for path in pathlib.Path(root).glob(name)]
    found += [str(path) for path in CGROUP2.glob(f"netext/{name}")]
    mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    return {"named": found, "mounts": [line for line in mounts.splitlines() if f"/{name}" in line],
            "tainted": pathlib.Path("/proc/sys/kernel/tainted").read_text(encoding="utf-8")}


def of_cgroup(path):
    """The BPF programs attached to a cgroup, by kind and name (their ids are always new)."""
    text = run(["bpftool", "-j", "cgroup", "show", path]).stdout
    programs = json.loads(text) if text.strip() else []
    return {"programs": sorted((one["attach_type"], one.get("name", "")) for one in programs)}
