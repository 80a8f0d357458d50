# SPDX-License-Identifier: Apache-2.0
"""One netextd with its flowd and extensions, in a lab of its own.

Its owner is this process: when the socket behind --owner-fd closes, the
instance takes everything away and ends, also when the test run is killed.
What it changed in the namespace and on the machine must be as before then;
stop() is what checks it, in every scenario.
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess

from . import snapshot
from .cgroup import frozen
from .paths import CGROUP2, NETEXTCTL, NETEXTD, for_everybody
from .sanitizer import reports_in
from .wait import wait_until

READY_TIMEOUT_S = 15
NO_BUS = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}  # not that of the machine
STOP_TIMEOUT_S = 65
DAEMONS = ("netextd", "netext-flowd")


class CommandFailed(AssertionError):
    """netextctl ended with a status other than 0."""


@contextlib.contextmanager
def stopped(*pids):
    """They go on in the opposite order."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


class Instance:
    """Runs in the client's namespace, for the programs of the lab's cgroup."""

    def __init__(self, lab, name, log, cgroup=None, arguments=(), environment=(), within=()):
        self.lab, self.name, self.log = lab, name, pathlib.Path(log)
        self.cgroup = cgroup or str(lab.cgroup)
        self.arguments = list(arguments)
        self.within = list(within)  # what a command line begins with
        self.environment = {**NO_BUS, **dict(environment)}
        self.process = None
        self.owner = None
        self.started = []  # (pid, start time) of every process of ours that was ever seen
        self.before = None

    def command_line(self):
        return [*self.within, NETEXTD, "--instance", self.name, "--cgroup", self.cgroup, *self.arguments]

    # Life

    def start(self):
        if self.before is None:
            self.before = self._snapshot()
        self.owner, theirs = socket.socketpair()
        with theirs, open(self.log, "a", encoding="utf-8") as log:
            self.process = self.lab.client.start(
                [*self.command_line(), "--owner-fd", theirs.fileno()], cgroup=self._outside(),
                dies_with_us=False, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[theirs.fileno()], env={**os.environ, **self.environment})
        self.owner.settimeout(READY_TIMEOUT_S)
        if not self.owner.recv(1):
            raise AssertionError(f"netextd ended with {self.process.wait()} before it was ready:\n{self.messages()}")
        return self

    def stop(self):
        """Ends the instance, and fails if anything of it stays."""
        if self.before is None:
            return
        if self.process:
            self.remember_processes()
            self.owner.close()
            self._end_of(self.process)
            self.process = None
        wait_until(lambda: not self._alive(), lambda: f"processes {self._alive()} did not end", STOP_TIMEOUT_S)
        before, self.before = self.before, None
        after = self._snapshot()
        changed = [key for key in before if before[key] != after[key]]
        assert not changed, "left behind:\n" + "\n".join(
            f"{key}\n  before: {before[key]}\n  after:  {after[key]}" for key in changed) + self.messages()
        found = reports_in(self.messages())
        assert not found, found

    def kill_netextd(self):
        """kill -9, and the owner's end stays open, as when the daemon crashes."""
        self.remember_processes()
        self.process.kill()
        self.process.wait()
        self.lab.client.stop(self.process)
        self.process = None

    def restart_netextd(self):
        self.owner.close()
        return self.start()

    def _end_of(self, process):
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"netextd did not end with its owner:\n{self.messages()}") from error
        self.lab.client.stop(process)

    def abandon(self):
        """Ends what is left after a failure, by pid."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        for pid in self._alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _outside(self):
        """A cgroup that the instance does not cover: its own processes are never its subject."""
        return self.lab.daemons.path

    def _snapshot(self):
        return {**snapshot.of_namespace(self.lab.client), **snapshot.of_instance(self.name),
                **snapshot.of_cgroup(self.cgroup)}

    # Processes

    def remember_processes(self):
        for pid in (*self._daemons(), *self._extensions()):
            if when := started_at(pid):
                self.started.append((pid, when))

    def _daemons(self):
        """What is called by the instance's name, where daemons are."""
        for pid in pids_of(self.lab.daemons.path):
            with contextlib.suppress(OSError):
                program, *arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_text("utf-8").split("\0")
                if os.path.basename(program) in DAEMONS and self.name in arguments:
                    yield pid

    def _extensions(self):
        for cgroup in CGROUP2.glob(f"netext/{self.name}/*/"):
            yield from pids_of(cgroup)

    def _alive(self):
        return [pid for pid, when in self.started if started_at(pid) == when]

    def flowd_pid(self):
        return self.status().get("flowd_pid", 0)  # it says none while there is none

    def extension_pid(self, name):
        return self.session(name)["pid"]

    def kill(self, pid, how=signal.SIGKILL):
        assert pid > 0, "there is no such process: 0 would be ourselves"
        self.remember_processes()
        os.kill(pid, how)

    def kill_flowd(self):
        """kill -9; the pid that is no more, for wait_for_another_flowd()."""
        pid = self.flowd_pid()
        self.kill(pid)
        return pid

    def wait_for_another_flowd(self, pid, timeout=20):
        """Until one is in force; its sessions may yet be on their way."""

        def is_there():
            status = self.status()
            return status["state"] == "running" and status.get("flowd_pid") not in (None, pid)

        wait_until(is_there, lambda: f"there is no other flowd: {self.status()}\n{self.messages()}", timeout)

    def restart_flowd(self):
        """kill -9, until another one decides with every session that ran."""
        running = [one["name"] for one in self.sessions() if one["state"] == "running"]
        self.wait_for_another_flowd(self.kill_flowd())
        for name in running:
            self.wait_for_session(name, "running")

    @contextlib.contextmanager
    def paused_flowd(self):
        """flowd is stopped meanwhile, and with it netextd, which would not wait for it."""
        with stopped(self.process.pid, self.flowd_pid()):
            yield

    @contextlib.contextmanager
    def frozen_flowd(self):
        """flowd does nothing meanwhile, and nobody is told; its pid."""
        self.remember_processes()
        pid = self.flowd_pid()
        with frozen(pid, self.lab.daemons):
            yield pid

    def restart_extension(self, name):
        """kill -9; its session, once another process runs for it."""
        pid = self.extension_pid(name)
        self.kill(pid)
        return self.wait_for_session(name, "running", instead_of=pid)

    def messages(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    # Control

    def ctl_command(self, *arguments):
        return [NETEXTCTL, "--instance", self.name, *arguments]

    def run_ctl(self, *arguments, **kwargs):
        """netextctl as a person runs it: the completed process."""
        return self.lab.client.run(self.ctl_command(*arguments), cgroup=self._outside(), check=False, **kwargs)

    def run_ctl_of(self, uid, *arguments, **kwargs):
        """netextctl as somebody else than root runs it."""
        return self.lab.client.run([*as_user(uid), *self.ctl_command(*arguments)], cgroup=self._outside(),
                                   check=False, **kwargs)

    def start_ctl_of(self, uid, *arguments, before=(), **kwargs):
        """The same in the background; before: a command that becomes it."""
        command = [for_everybody(NETEXTCTL), *self.ctl_command(*arguments)[1:]]
        return self.lab.client.start([*as_user(uid), *before, *command],
                                     cgroup=self._outside(), stderr=subprocess.PIPE, **kwargs)

    def ctl(self, *arguments, check=True):
        """The parsed answer of a command with --json; None where it failed and check is False."""
        done = self.run_ctl(*arguments, "--json")
        if done.returncode != 0:
            if check:
                raise CommandFailed(f"netextctl {' '.join(map(str, arguments))}: {done.stderr}\n{self.messages()}")
            return None
        return json.loads(done.stdout) if done.stdout.strip() else None

    def status(self):
        return self.ctl("status")

    def sessions(self):
        return self.ctl("session", "list")

    def session(self, name):
        found = [one for one in self.sessions() if one["name"] == name]
        assert found, f"no session {name}: {self.sessions()}"
        return found[0]

    def start_session(self, extension, *options):
        done = self.run_ctl("session", "start", extension, *options)
        if done.returncode != 0:
            raise CommandFailed(f"session start {extension}: {done.stderr}\n{self.messages()}")

    def stop_session(self, name):
        done = self.run_ctl("session", "stop", name)
        if done.returncode != 0:
            raise CommandFailed(f"session stop {name}: {done.stderr}\n{self.messages()}")

    def wait_for_session(self, name, state, timeout=10, instead_of=None):
        """Until it is in that state, by another process than `instead_of`: a killed one's end is noticed later."""

        def found():
            return next((one for one in self.sessions() if (one["name"], one["state"]) == (name, state)
                         and (not instead_of or one.get("pid") != instead_of)), None)

        return wait_until(found, lambda: f"session {name} did not become {state}: {self.sessions()}", timeout)

    def message(self, name):
        """The last that a session said: "" of one that has said nothing yet, also since flowd began anew."""
        return self.session(name).get("message", "")

    def wait_for_message(self, name, text, timeout=5):
        """Until the last that a session said has this text in it."""
        wait_until(lambda: text in self.message(name),
                   lambda: f"session {name} did not say '{text}': {self.sessions()}", timeout)

    # Flows

    def flows(self, **wanted):
        """The flows whose fields are as wanted: flows(remote_port=80, verdict="allow")."""
        return [flow for flow in self.ctl("flow", "list", "--limit", "0")
                if all(flow.get(key) == value for key, value in wanted.items())]

    def flow(self, **wanted):
        """The one flow with these fields, once it is decided."""

        def decided():
            return [flow for flow in self.flows(**wanted) if flow["state"] != "held"]

        found = wait_until(decided, lambda: f"no flow with {wanted} was decided; there are {self.flows()}")
        assert len(found) == 1, f"{len(found)} flows with {wanted}: {found}"
        return found[0]

    def rejudge(self):
        """Has all open flows judged again: how many ended, go on, wait for an answer, and could not be ended."""
        counts = self.ctl("flow", "rejudge")
        return tuple(counts[f"flows_{what}"] for what in ("ended", "allowed", "asked", "not_ended"))


def as_user(uid):
    """What a command line begins with that is not to run as root."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


def waited_s(pid):
    """How long a process was ready to run, and others had the CPU."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9


def pids_of(cgroup):
    """Of the processes in it, or none if it is gone."""
    try:
        return [int(pid) for pid in (cgroup / "cgroup.procs").read_text("ascii").split()]
    except OSError:
        return []


def children(pid):
    """The programs that a process started, by pid."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                found[int(child)] = os.readlink(f"/proc/{child}/exe").rsplit("/", 1)[-1]
            except OSError:
                pass
    return found


def started_at(pid):
    """The start time of a process in clock ticks, or None if there is none (or only its remains)."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
