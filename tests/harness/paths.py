# SPDX-License-Identifier: Apache-2.0
"""Where things are: the build under test, its staged installation, the cgroup v2 mount."""
import atexit
import functools
import os
import pathlib
import shutil
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("NETEXT_BUILD", SOURCE / "build")).resolve()
STAGE = pathlib.Path(os.environ.get("NETEXT_STAGE", BUILD / "stage" / "usr")).resolve()

NETEXTD = STAGE / "sbin" / "netextd"
NETEXTCTL = STAGE / "bin" / "netextctl"
RESET = STAGE / "sbin" / "netext-reset"
FLOWD = STAGE / "libexec" / "netext" / "netext-flowd"
EXTENSIONS = STAGE / "libexec" / "netext" / "extensions"
PROGRAMS = BUILD / "tests"


def is_private(path):
    return any(not folder.stat().st_mode & 0o001 for folder in path.parents)


@functools.cache
def for_everybody(file):
    """The file, or a copy of it where our folder is private: other users are to read or run it."""
    if not is_private(file):
        return file
    folder = pathlib.Path(tempfile.mkdtemp(prefix="netext-tests-", dir="/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    return pathlib.Path(shutil.copy(file, folder))


def mount_point(kind):
    """Where the first file system of this kind is mounted, or None."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[fields.index("-") + 1] == kind:
                return pathlib.Path(fields[4])
    return None


CGROUP2 = mount_point("cgroup2")
