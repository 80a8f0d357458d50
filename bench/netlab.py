# SPDX-License-Identifier: Apache-2.0
"""A hermetic network of two namespaces for the benchmarks.

    with Lab() as lab:
        lab.server.start([load, "server", lab.SERVER, "7000"], ready="ready")
        print(lab.client.run([load, "connect", lab.SERVER, "7000"]).stdout)

A namespace here is a descriptor, not a name under /run/netns: it lives as long
as this process and the processes in it, so nothing is left behind however we
end, and labs that run in parallel cannot collide. Processes enter it with
setns() between fork and exec; `ip netns exec` would remount /sys, and nft then
could not resolve `socket cgroupv2` paths. They are killed when the lab closes,
and by the kernel should we die first.

From a shell: nsenter --net=PATH, with the path that print(lab.client) shows.
"""
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
CGROUP_ROOTS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def run(argv, **kwargs):
    """subprocess.run() as text, with a time limit and an error that quotes stderr."""
    kwargs.setdefault("timeout", 60)
    done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
    if done.returncode != 0:
        command = " ".join(map(str, argv))
        raise RuntimeError(f"{command}: exit {done.returncode}: {done.stderr.strip()}")
    return done


def new_namespace_fd():
    """Makes a network namespace in a thread of its own, so that ours stays where it is."""
    outcome = {}

    def make():
        try:
            check(libc.unshare(CLONE_NEWNET), "unshare")
            outcome["fd"] = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            outcome["error"] = error

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["fd"]


class Cgroup:
    """A cgroup v2 for the processes of a benchmark; its name derives from our pid.

    The one thing here that can outlive us, if we are killed: the next one sweeps it."""

    def __init__(self, name):
        self.root = next(root for root in CGROUP_ROOTS if os.path.exists(f"{root}/cgroup.procs"))
        self.name = f"netext-bench-{os.getpid()}-{name}"
        self.path = f"{self.root}/{self.name}"

    @property
    def nft_path(self):
        """The path as nft wants it: below /sys/fs/cgroup, wherever v2 is mounted."""
        return os.path.relpath(self.path, "/sys/fs/cgroup")

    def __enter__(self):
        self._sweep()
        os.mkdir(self.path)
        return self

    def _sweep(self):
        """Removes what a killed benchmark left; only an empty cgroup can be removed."""
        for entry in os.listdir(self.root):
            owner = entry.removeprefix("netext-bench-").split("-")[0]
            if entry.startswith("netext-bench-") and not os.path.exists(f"/proc/{owner}"):
                with contextlib.suppress(OSError):
                    os.rmdir(f"{self.root}/{entry}")

    def __exit__(self, *exc):
        with open(f"{self.path}/cgroup.kill", "w") as kill:
            kill.write("1")
        for _ in range(100):  # a killed process leaves its cgroup a moment later
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.02)
        os.rmdir(self.path)


class Namespace:
    """One network namespace and the processes that were started in it."""

    def __init__(self):
        self.fd = new_namespace_fd()
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        self.processes = []

    def __str__(self):
        return self.path

    def _enter_fn(self, cgroup, cpus):
        """What the child does between fork and exec."""

        def enter():
            check(libc.setns(self.fd, CLONE_NEWNET), "setns")
            check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
            if cpus:
                os.sched_setaffinity(0, cpus)
            if cgroup:
                with open(f"{cgroup.path}/cgroup.procs", "w") as procs:
                    procs.write("0")

        return enter

    def run(self, argv, cgroup=None, cpus=None, **kwargs):
        """Runs to the end, raises on failure; returns the completed process with text output."""
        return run(argv, preexec_fn=self._enter_fn(cgroup, cpus), **kwargs)

    def start(self, argv, cgroup=None, cpus=None, ready=None, timeout=5, **kwargs):
        """Starts in the background; with `ready`, waits until a line on stdout begins with it."""
        process = subprocess.Popen(argv, text=True, bufsize=1, stdout=subprocess.PIPE,
                                   preexec_fn=self._enter_fn(cgroup, cpus), **kwargs)
        self.processes.append(process)
        if ready is not None:
            wait_for_line(process, ready, timeout)
        return process

    def nft(self, ruleset):
        """Adds rules, given as text."""
        self.run(["nft", "-f", "-"], input=ruleset)

    def sysctl(self, **settings):
        """Sets sysctls of this namespace: net__ipv4__ip_forward=1."""
        self.run(["sysctl", "-qw"] + [f"{key.replace('__', '.')}={value}"
                                      for key, value in settings.items()])

    def stop(self, process):
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        self.processes.remove(process)

    def close(self):
        for process in list(self.processes):
            self.stop(process)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def wait_for_line(process, start, timeout):
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            raise TimeoutError(f"{process.args[0]}: no \"{start}\" within {timeout} s")
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{process.args[0]}: ended with {process.wait()} before \"{start}\"")
        if line.startswith(start):
            return


class Lab:
    """client (198.18.0.1/24) and server (198.18.0.2/24) on the two ends of a veth pair."""

    CLIENT = "198.18.0.1"
    SERVER = "198.18.0.2"

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.client = stack.enter_context(contextlib.closing(Namespace()))
            self.server = stack.enter_context(contextlib.closing(Namespace()))
            self._connect()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def _connect(self):
        run(["ip", "link", "add", "veth0", "netns", self.client.path, "type", "veth",
             "peer", "name", "veth0", "netns", self.server.path])
        for namespace, address in ((self.client, self.CLIENT), (self.server, self.SERVER)):
            namespace.run(["ip", "link", "set", "lo", "up"])
            namespace.run(["ip", "address", "add", f"{address}/24", "dev", "veth0"])
            namespace.run(["ip", "link", "set", "veth0", "up"])
            # A namespace inherits bbr, which paces; the client's own ports must not run short.
            namespace.sysctl(net__ipv4__tcp_congestion_control="reno",
                             net__ipv4__ip_local_port_range="1024 65535")
        self._wait_for_neighbour()

    def _wait_for_neighbour(self):
        """The first packet would pay for address resolution, and a closed loop remembers."""
        self.client.run(["ip", "neighbour", "replace", self.SERVER, "dev", "veth0", "lladdr",
                         self._link_address(self.server)])
        self.server.run(["ip", "neighbour", "replace", self.CLIENT, "dev", "veth0", "lladdr",
                         self._link_address(self.client)])

    @staticmethod
    def _link_address(namespace):
        return namespace.run(["ip", "-br", "link", "show", "veth0"]).stdout.split()[2]
