# SPDX-License-Identifier: Apache-2.0
"""The control API on the system bus: the same methods and limits, for whoever the bus says that it is."""
import json

import pytest

from harness.instance import as_user
from harness.namespace import wait_for_line
from harness.paths import PROGRAMS
from harness.store import IDENTIFIER, Store
from harness.wait import wait_until

NOBODY = 65534
RULES = """
polkit.addRule(function(action, subject) {
    return subject.user == "nobody" && action.lookup("session") == "nobodys" ? polkit.Result.YES : polkit.Result.NO;
});
"""


class Guest:
    """A user's programs on the bus."""

    def __init__(self, bus, netext, uid):
        self.bus, self.netext, self.uid = bus, netext, uid
        self.name = f"org.netext1.{netext.name}"

    def busctl(self, verb, *arguments):
        return self.netext.lab.client.run(
            [*as_user(self.uid), "busctl", f"--address=unix:path={self.bus.socket}", "--json=short", verb, self.name,
             "/org/netext1", *arguments], check=False)

    def call(self, method, *arguments):
        return self.busctl("call", "org.netext1.Manager", method, *arguments)

    def sessions(self):
        done = self.call("ListSessions")
        return [one["name"]["data"] for one in json.loads(done.stdout)["data"][0]] if done.returncode == 0 else done

    def start(self, *what):
        return self.bus._start([*as_user(self.uid), PROGRAMS / "bus-client", self.name, *what])


@pytest.fixture
def guest(store, system_bus):
    """guest(uid) is a user on the bus of the store's instance."""
    return lambda uid: Guest(system_bus, store.instance, uid)


@pytest.fixture
def store(workshop, instances, system_bus):
    return Store(instances(arguments=workshop.arguments, environment=system_bus.environment))


def test_who_calls_on_the_bus_may_what_its_user_may(store, guest, system_bus, workshop, client, server):
    system_bus.polkitd(RULES)
    root, nobody = guest(0), guest(NOBODY)
    wait_until(lambda: root.sessions() == [], root.sessions)
    wait_for_line(root.start("activate", workshop.bundle()), "request ", 10)
    wait_until(lambda: store.extension(), "it is not there")
    assert root.call("ApproveExtension", "s", IDENTIFIER).returncode == 0
    store.wait_for_extension(active=True)
    for name in ("roots", "nobodys"):
        store.instance.start_session(IDENTIFIER, "--name", name)
    for _ in range(12):  # more than may have a connection: who leaves the bus gives its place back
        assert sorted(nobody.sessions()) == ["nobodys", "roots"]
    done = nobody.call("StopSession", "s", "roots")
    assert done.returncode != 0 and "13 authorization-required" in done.stderr and "polkit does not let" in done.stderr
    assert nobody.call("StopSession", "s", "nobodys").returncode == 0
    assert root.sessions() == ["roots"]
    done = nobody.call("ListRules", "s", "")
    assert done.returncode != 0 and "only root may see rules" in done.stderr
    assert "StopSession" in nobody.busctl("introspect").stdout
    watching = nobody.start("watch")
    wait_for_line(watching, "watching", 10)
    for _ in range(7):
        wait_for_line(nobody.start("watch"), "watching", 10)
    assert "Too many users" in nobody.call("GetChain").stderr
    client.run(PROGRAMS / "talk", "tcp", client.lab.SERVER, "80")
    client.run(*as_user(NOBODY), PROGRAMS / "talk", "tcp", client.lab.SERVER, "80")
    own = store.instance.flow(uid=NOBODY)["flow"]
    assert wait_for_line(watching, "flow ", 10) == f"flow {own}"


def test_a_bus_that_goes_and_comes_back_takes_nothing_along(store, guest, system_bus):
    root = guest(0)
    wait_until(lambda: root.sessions() == [], root.sessions)
    watching = root.start("watch")
    wait_for_line(watching, "watching", 10)
    system_bus.end(system_bus.daemon)
    assert store.instance.status()["state"] == "running"
    system_bus.begin()
    wait_until(lambda: root.sessions() == [], root.sessions)
