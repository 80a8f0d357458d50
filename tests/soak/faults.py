# SPDX-License-Identifier: Apache-2.0
"""What happens to the instance while the programs talk: one fault at a time, each until all is well again."""
import contextlib
import os
import signal
import time

from harness.paths import PROGRAMS
from harness.wait import wait_until

import ways

RECOVERY_S = 20
STOPPED_S = 2


class Fault:
    """What was done to whom, when, and until when its consequences are expected."""

    def __init__(self, how, what):
        self.how, self.what = how, what
        self.began, self.ended, self.n_explained = time.monotonic(), None, 0

    def __str__(self):
        return f"{self.how} {self.what}"


class Faults:
    """Chooses by `chance`, does it, and waits until every session runs again."""

    HOW = {"kill": 5, "stop": 3, "flowd": 4, "netextd": 3, "rules": 3, "session": 3}

    def __init__(self, netext, folder, chance):
        self.netext, self.folder, self.chance = netext, folder, chance
        self.sessions = ways.sessions()
        self.n_rewritten = 0

    def start_all(self):
        for name in self.sessions:
            self.start_session(name)

    def start_session(self, name):
        program, options, _ = self.sessions[name]
        self.netext.start_session(PROGRAMS / program, "--name", name, *options,
                                  "--file", f"script={self.write_script(name)}")

    def write_script(self, name):
        """netextd sees that it is new, and has it read; it says the same in other words."""
        script, lines = self.folder / f"script-{name}", self.sessions[name][2]
        fresh = script.with_suffix(".new")
        self.n_rewritten += 1
        lines = [*lines, f"{20000 + self.n_rewritten % 1000} refuse"]
        fresh.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        fresh.rename(script)
        return script

    def choose(self, may_kill_flowd):
        how = {key: weight for key, weight in self.HOW.items() if may_kill_flowd or key != "flowd"}
        kind, = self.chance.choices(list(how), how.values())
        if kind in ("flowd", "netextd"):
            return Fault(self.chance.choice(("kill", "kill", "stop")), kind)
        return Fault(kind, self.chance.choice(list(self.sessions)))

    def inject(self, fault):
        doing = {"kill": self._kill, "stop": self._stop, "rules": self._rules, "session": self._session}
        doing[fault.how](fault.what)
        wait_until(self._all_well, lambda: f"after {fault}: {self.netext.sessions()}", RECOVERY_S)
        fault.ended = time.monotonic()

    def _kill(self, what):
        if what == "netextd":
            self.netext.kill_netextd()
            time.sleep(self.chance.uniform(0.1, 2))
            self.netext.restart_netextd()
        elif what == "flowd":
            pid = self.netext.flowd_pid()
            self.netext.kill(pid)
            wait_until(lambda: self.netext.flowd_pid() not in (0, pid), "flowd was not started again", RECOVERY_S)
        else:
            restarts = self.netext.session(what)["restarts"]
            self.netext.kill(self.netext.extension_pid(what))
            wait_until(lambda: self.netext.session(what)["restarts"] > restarts, f"the death of {what} was not noticed",
                       RECOVERY_S)

    def _stop(self, what):
        pid = self._pid(what)
        self.netext.kill(pid, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        with contextlib.suppress(ProcessLookupError):  # netextd replaces a flowd that is stopped
            os.kill(pid, signal.SIGCONT)

    def _pid(self, what):
        if what == "netextd":
            return self.netext.process.pid
        return self.netext.flowd_pid() if what == "flowd" else self.netext.extension_pid(what)

    def _rules(self, what):
        self.write_script(what)
        time.sleep(0.5)

    def _session(self, what):
        self.netext.remember_processes()
        self.netext.stop_session(what)
        time.sleep(self.chance.uniform(0, 2))
        self.start_session(what)

    def _all_well(self):
        sessions = self.netext.sessions()
        return len(sessions) == len(self.sessions) and all(one["state"] == "running" for one in sessions)
