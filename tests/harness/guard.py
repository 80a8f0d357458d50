# SPDX-License-Identifier: Apache-2.0
"""The machine before and after the tests: what we could have left, and nothing else.

A machine lives: other people's mounts and processes come and go. So this looks at
the network configuration of the machine's own namespace, and at what bears our name.
"""
import os
import pathlib

from . import snapshot
from .namespace import run
from .paths import BUILD, CGROUP2
from .wait import wait_until

OURS = "netext"
FOLDERS = ("/run/netext", "/sys/fs/bpf", "/run/netns", "/tmp")


def network():
    return snapshot.of_network(run)


def named_paths():
    """Files, pinned BPF, namespaces and cgroups with our name."""
    found = []
    for folder in FOLDERS:
        found += [str(path) for path in pathlib.Path(folder).glob("*")
                  if OURS in str(path) or folder == "/run/netns"]
    for folder, _, _ in os.walk(CGROUP2):
        if OURS in folder:
            found.append(folder)
    return sorted(found)


def named_mounts():
    mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return sorted(line.split(" ", 4)[4] for line in mounts if OURS in line and str(BUILD) not in line)


def processes():
    """Programs of the build, as "PID PATH"."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:  # gone, or a kernel thread
            continue
        if program.startswith(str(BUILD)):
            found.append(f"{pid} {program}")
    return sorted(found)


def programs_in_kernel():
    """What is attached to which cgroup. bpftool gives up at a link that is about to go."""

    def whole_list():
        done = run(["bpftool", "link", "list"], check=False)
        return done if done.returncode == 0 else None

    lines = wait_until(whole_list, "bpftool did not list the BPF links").stdout.splitlines()
    return sorted(line.strip() for line in lines if line.strip().startswith("cgroup_id"))


def look():
    """Everything, as a dictionary from what it is to what is there."""
    return {**network(), "paths": named_paths(), "mounts": named_mounts(), "processes": processes(),
            "BPF links": programs_in_kernel()}


def differences(before, after):
    """What changed in the network's configuration, and what of ours is more than before.

    Less than before is somebody else's: another instance that ended meanwhile.
    """
    changed = []
    for key, was in before.items():
        if isinstance(was, list):
            changed += [f"{key}: {thing} is left" for thing in after[key] if thing not in was]
        elif was != after[key]:
            changed.append(f"{key}\n  before: {was}\n  after:  {after[key]}")
    return changed
