# SPDX-License-Identifier: Apache-2.0
"""What a process has spent: CPU time, and how often one of its threads went to sleep, which is as often
as one of them woke up. By the kernel's own counts, not by samples.
"""
import collections
import pathlib
import re

SLEEPS = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)$", re.MULTILINE)


class Spent(collections.namedtuple("Spent", "cpu_ns wakeups")):
    def __sub__(self, earlier):
        return Spent(self.cpu_ns - earlier.cpu_ns, self.wakeups - earlier.wakeups)


def spent_by_thread(task):
    return Spent(int((task / "schedstat").read_text("ascii").split()[0]),
                 int(SLEEPS.search((task / "status").read_text("ascii"))[1]))


def spent_by(pid):
    threads = [spent_by_thread(task) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return Spent(*map(sum, zip(*threads)))
