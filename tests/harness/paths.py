# SPDX-License-Identifier: Apache-2.0
"""Where things are: the build under test, its staged installation, the cgroup v2 mount."""
import os
import pathlib

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("NETEXT_BUILD", SOURCE / "build")).resolve()
STAGE = pathlib.Path(os.environ.get("NETEXT_STAGE", BUILD / "stage" / "usr")).resolve()

NETEXTD = STAGE / "sbin" / "netextd"
NETEXTCTL = STAGE / "bin" / "netextctl"
FLOWD = STAGE / "libexec" / "netext" / "netext-flowd"
EXTENSIONS = STAGE / "libexec" / "netext" / "extensions"
PROGRAMS = BUILD / "tests"


def mount_point(kind):
    """Where the first file system of this kind is mounted, or None."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[fields.index("-") + 1] == kind:
                return pathlib.Path(fields[4])
    return None


CGROUP2 = mount_point("cgroup2")
