# SPDX-License-Identifier: Apache-2.0
"""What a machine is set to, in an extension that runs there."""
import os
import shutil
import time

import pytest

from harness.app import EVERYONE, App
from harness.namespace import run
from harness.store import Store
from harness.wait import wait_until

NEEDED = ("passwd", "group", "nsswitch.conf", "ld.so.cache")
SETUP = """
    hostname before
    mount --bind /run/netext "$0/run/netext"
    mount --bind "$0/etc" /etc
    mount --rbind "$0/run" /run
    exec "$@"
"""


class Machine:
    """One with an /etc, a /run and a host name of its own, for netextd and its extensions."""

    def __init__(self, folder):
        self.folder, self.pid = folder, None
        for name in ("etc/default", "run/netext", "run/NetworkManager"):
            (folder / name).mkdir(parents=True)
        for name in NEEDED:
            shutil.copy(f"/etc/{name}", folder / "etc")
        self.link("etc/resolv.conf", "../run/NetworkManager/resolv.conf")
        os.makedirs("/run/netext", exist_ok=True)

    def within(self):
        return ["unshare", "--mount", "--uts", "sh", "-ec", SETUP, self.folder]

    def replace(self, name, text):
        """As an editor does."""
        path = self.folder / name
        path.with_suffix(".new").write_text(text, encoding="utf-8")
        os.replace(path.with_suffix(".new"), path)

    def link(self, name, target):
        (self.folder / name).symlink_to(target)

    def rename(self, name):
        run(["nsenter", "--target", self.pid, "--uts", "hostname", name])


@pytest.fixture
def machine(tmp_path):
    tmp_path.chmod(0o755)
    return Machine(tmp_path / "machine")


def test_settings_change_in_a_running_extension(machine, instances, workshop):
    """I08: within a second and without a restart, in its sandbox."""
    store = Store(instances(arguments=workshop.arguments, within=machine.within()))
    machine.pid = store.instance.process.pid
    store.activate(workshop.bundle(endpoints=EVERYONE), "--approve")
    app = App(store.instance)
    pid = app.call("pid")

    def settings():
        return app.call("system").split()

    assert settings()[1:] == ["31", "C", "UTC", "before", "-", "-"]
    for place, (change, arguments, value) in enumerate([
            (machine.replace, ("etc/default/locale", "LANG=de_DE.UTF-8\n"), "de_DE.UTF-8"),
            (machine.link, ("etc/localtime", "/usr/share/zoneinfo/Europe/Berlin"), "Europe/Berlin"),
            (machine.rename, ("after",), "after"),
            (machine.replace, ("run/NetworkManager/resolv.conf", "nameserver 198.18.0.53\n"), "198.18.0.53"),
            (machine.replace, ("etc/environment", "https_proxy=http://198.18.0.2:3128\n"), "http://198.18.0.2:3128")]):
        began_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        change(*arguments)
        wait_until(lambda: settings()[2 + place] == value, settings)
        told_ns, changed, *_ = settings()
        assert int(told_ns) - began_ns < 1e9 and int(changed) == 1 << place
    assert app.call("pid") == pid
