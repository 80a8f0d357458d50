# SPDX-License-Identifier: Apache-2.0
"""A network namespace that is a descriptor, not a name under /run/netns.

It lives as long as this process and the processes in it, so nothing is left
behind however we end, and tests that run in parallel cannot collide. Processes
enter it with setns() between fork and exec: `ip netns exec` would remount /sys
and hide the cgroup mount. They are killed when the namespace closes, and by the
kernel should we die first.

From a shell: nsenter --net=PATH, with the path that print(namespace) shows.
"""
import ctypes
import os
import pathlib
import select
import signal
import socket
import subprocess
import threading
import time

from .sanitizer import PATIENCE

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def run(argv, **kwargs):
    """subprocess.run() with text, captured output, a time limit, and an error that quotes stderr."""
    kwargs.setdefault("timeout", 60)
    expect_success = kwargs.pop("check", True)
    done = subprocess.run([str(arg) for arg in argv], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **kwargs)
    if expect_success and done.returncode != 0:
        raise RuntimeError(f"{' '.join(done.args)}: exit {done.returncode}: {done.stderr.strip()}")
    return done


def in_thread(work):
    """Runs work() in a thread of its own, where setns() and unshare() bind only that thread."""
    outcome = {}

    def body():
        try:
            outcome["result"] = work()
        except OSError as error:
            outcome["error"] = error

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


class Namespace:
    """One network namespace, the processes that were started in it, and sockets of ours in it."""

    def __init__(self):
        self.fd = in_thread(self._make)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        self.cgroup = None  # where processes start, unless told otherwise
        self.processes = []

    def __str__(self):
        return self.path

    @staticmethod
    def _make():
        check(libc.unshare(CLONE_NEWNET), "unshare")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def _enter_fn(self, cgroup, cpus, dies_with_us):
        """What the child does between fork and exec."""

        def enter():
            check(libc.setns(self.fd, CLONE_NEWNET), "setns")
            if dies_with_us:
                check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
            if cpus:
                os.sched_setaffinity(0, cpus)
            if cgroup:
                with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as procs:
                    procs.write("0")

        return enter

    def run(self, argv, cgroup=None, cpus=None, **kwargs):
        """Runs to the end; raises on failure unless check=False. The result has text output."""
        return run(argv, preexec_fn=self._enter_fn(cgroup or self.cgroup, cpus, True), **kwargs)

    def start(self, argv, cgroup=None, cpus=None, ready=None, timeout=10, dies_with_us=True, **kwargs):
        """Starts in the background; with `ready`, waits until a line on stdout begins with it."""
        kwargs.setdefault("stdout", subprocess.PIPE)
        process = subprocess.Popen([str(arg) for arg in argv], text=True, bufsize=1,
                                   preexec_fn=self._enter_fn(cgroup or self.cgroup, cpus, dies_with_us),
                                   **kwargs)
        self.processes.append(process)
        if ready is not None:
            wait_for_line(process, ready, timeout)
        return process

    def socket(self, *args):
        """A socket of this process that lives in the namespace."""

        return self.inside(lambda: socket.socket(*args))

    def inside(self, work):
        """What work() returns in the namespace: it is done by a thread of this process."""

        def enter_and_work():
            check(libc.setns(self.fd, CLONE_NEWNET), "setns")
            return work()

        return in_thread(enter_and_work)

    def nft(self, ruleset):
        """Adds rules, given as text."""
        self.run(["nft", "-f", "-"], input=ruleset)

    def sysctl(self, **settings):
        """Sets sysctls of this namespace: net__ipv4__ip_forward=1."""

        def write():
            for key, value in settings.items():
                pathlib.Path("/proc/sys", *key.split("__")).write_text(str(value), encoding="ascii")

        self.inside(write)

    def stop(self, process):
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
        self.processes.remove(process)

    def close(self):
        for process in list(self.processes):
            self.stop(process)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def wait_for_line(process, start, timeout):
    """The first line on stdout that begins with start. Reads the descriptor itself: what
    process.stdout had buffered, select() would not see."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        line, newline, rest = getattr(process, "unread", "").partition("\n")
        if newline:
            process.unread = rest
            if line.startswith(start):
                return line
            continue
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            raise TimeoutError(f"{process.args[0]}: no \"{start}\" within {timeout} s")
        received = os.read(process.stdout.fileno(), 65536).decode(errors="replace")
        if not received:
            raise RuntimeError(f"{process.args[0]}: ended with {process.wait()} before \"{start}\"")
        process.unread = line + received
