# SPDX-License-Identifier: Apache-2.0
"""A cgroup v2 for the programs of one test, removed with everything in it."""
import contextlib
import os
import pathlib
import signal

from .paths import CGROUP2
from .wait import wait_until


class Cgroup:
    """The folder `name` below the cgroup v2 mount."""

    def __init__(self, name):
        self.path = CGROUP2 / name
        self.name = "/" + name  # as the kernel and netextctl call it
        self.path.mkdir()

    def __str__(self):
        return str(self.path)

    @property
    def nft_path(self):
        """The path as nft wants it: below /sys/fs/cgroup, wherever v2 is mounted."""
        return os.path.relpath(self.path, "/sys/fs/cgroup")

    def close(self):
        wait_until(lambda: remove_tree(self.path), f"{self.path} did not become empty")


def remove_tree(path):
    """Ends who is left inside and removes the folders, leaves first. True when it is gone."""
    try:
        for child in [entry for entry in path.iterdir() if entry.is_dir()]:
            remove_tree(child)
        for pid in (path / "cgroup.procs").read_text(encoding="ascii").split():
            os.kill(int(pid), signal.SIGKILL)
        pathlib.Path(path).rmdir()
    except FileNotFoundError:
        return True
    except (ProcessLookupError, OSError):
        return False  # a killed process leaves its cgroup a moment later
    return True


@contextlib.contextmanager
def frozen(pid, cgroup):
    """The process, which is in the cgroup, does nothing meanwhile; it may be killed."""
    place = cgroup.path / "frozen"
    place.mkdir()
    (place / "cgroup.procs").write_text(str(pid), encoding="ascii")
    (place / "cgroup.freeze").write_text("1", encoding="ascii")
    try:
        yield
    finally:
        (place / "cgroup.freeze").write_text("0", encoding="ascii")
        with contextlib.suppress(ProcessLookupError):
            (cgroup.path / "cgroup.procs").write_text(str(pid), encoding="ascii")
        wait_until(lambda: remove_folder(place), f"{place} did not become empty")


def remove_folder(path):
    with contextlib.suppress(OSError):  # whoever was killed in it is not gone yet
        path.rmdir()
        return True
