# SPDX-License-Identifier: Apache-2.0
"""A system bus of the test's own, and who says there whether somebody may: polkitd, or what passes for it.

polkitd knows its folders by heart, so it gets a mount namespace in which they are ours.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from .namespace import wait_for_line
from .paths import PROGRAMS, STAGE
from .wait import wait_until

POLKITD = "/usr/lib/polkit-1/polkitd"
CONFIGURATION = """
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow receive_sender="*"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow send_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
    <allow send_interface="org.freedesktop.PolicyKit1.AuthenticationAgent"/>
  </policy>
  <include>{installed}</include>
</busconfig>
"""
# What netext installs for the bus, which lets nobody have a name, or be called, without it.
INSTALLED = STAGE / "share/dbus-1/system.d/org.netext1.conf"
# What polkitd sees where its own folders are: ours with the rules, none, and what netext installs.
MOUNT = """
mount --bind "$1" /etc/polkit-1/rules.d
mount --bind "$2" /usr/share/polkit-1/rules.d
mount --bind "$3" /usr/share/polkit-1/actions
exec "$0" --no-debug
"""


class SystemBus:
    """A context; `environment` leads programs to the bus."""

    def __init__(self, lab):
        self.lab = lab
        self.stack = contextlib.ExitStack()
        self.folder = self.socket = self.daemon = None

    def __enter__(self):
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="netext-bus-")))
        self.folder.chmod(0o755)
        self.socket = self.folder / "system_bus_socket"  # as below /run/dbus
        configuration = CONFIGURATION.format(socket=self.socket, installed=INSTALLED).lstrip()
        (self.folder / "bus.conf").write_text(configuration, encoding="utf-8")
        self.begin()
        return self

    def begin(self):
        """Also once more, behind end(self.daemon)."""
        self.daemon = self._start(["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={self.folder}/bus.conf"])
        wait_until(self._listens, "dbus-daemon did not listen")

    def __exit__(self, *exc):
        self.stack.close()

    @property
    def environment(self):
        return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.socket}"}

    def _listens(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def _start(self, argv, **kwargs):
        process = self.lab.client.start(argv, cgroup=self.lab.daemons.path, stderr=subprocess.DEVNULL,
                                        env={**os.environ, **self.environment}, **kwargs)
        self.stack.callback(self.end, process)
        return process

    def end(self, process):
        """kill -9 and gone."""
        if process in self.lab.client.processes:
            process.kill()
            self.lab.client.stop(process)

    def polkitd(self, rules):
        """The real one, with these rules and no others."""
        folders = [self.folder / name for name in ("rules", "none", "actions")]
        for folder in folders:
            folder.mkdir()
        (folders[0] / "10-test.rules").write_text(rules, encoding="utf-8")
        shutil.copy(STAGE / "share/polkit-1/actions/org.netext1.policy", folders[2])
        process = self._start(["unshare", "--mount", "sh", "-ec", MOUNT, POLKITD, *folders])
        wait_until(lambda: self._has_polkit() or process.poll() is not None, "polkitd is not on the bus", 15)
        assert process.poll() is None, "polkitd ended"
        return process

    def _has_polkit(self):
        done = self.lab.client.run(
            ["dbus-send", f"--bus=unix:path={self.socket}", "--print-reply", "--dest=org.freedesktop.DBus", "/",
             "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.PolicyKit1"], check=False)
        return "boolean true" in done.stdout

    def double(self, how):
        """polkitd as it should not be: tests/harness/programs/polkit-double.c."""
        return Speaker(self, "polkit-double", how)

    def agent(self, pid):
        """Who asks for passwords for this process: tests/harness/programs/polkit-agent.c."""
        return Speaker(self, "polkit-agent", pid)


class Speaker:
    """A program on the bus that says what it is asked, and answers when it is told to."""

    def __init__(self, bus, program, argument):
        self.bus = bus
        self.process = bus._start([PROGRAMS / program, argument], ready="ready")

    def wait_for(self, line, timeout=5):
        """The first line that it says from now on which begins so."""
        return wait_for_line(self.process, line, timeout)

    def answer(self):
        """Yes to all that it was asked so far, or the password."""
        self.process.send_signal(signal.SIGUSR1)

    def kill(self):
        self.bus.end(self.process)
