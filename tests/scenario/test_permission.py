# SPDX-License-Identifier: Apache-2.0
"""Who is not root: what he may read, and what he may change where polkit says so."""
import contextlib
import json
import os
import pathlib
import shutil

import pytest

from harness.instance import NO_BUS, as_user
from harness.lab import Lab
from harness.namespace import wait_for_line
from harness.paths import NETEXTCTL, PROGRAMS, for_everybody
from harness.prompt import Terminal
from harness.store import IDENTIFIER, TEAM, Store
from harness.wait import wait_until

NOBODY, DAEMON = 65534, 1
READING = [["status"], ["chain"], ["session", "list"], ["set", "list"], ["flow", "list"], ["extension", "list"],
           ["extension", "why", IDENTIFIER], ["extension", "properties", IDENTIFIER], ["extension", "request"],
           ["extension", "policy"], ["extension", "developer"]]
CHANGING = [["session", "start", IDENTIFIER, "--name", "more"], ["session", "restart", IDENTIFIER],
            ["session", "stop", IDENTIFIER], ["set", "put", "blocked", "/dev/null"], ["set", "show", "blocked"],
            ["set", "remove", "blocked"], ["extension", "disable", IDENTIFIER], ["extension", "enable", IDENTIFIER],
            ["extension", "deactivate", IDENTIFIER], ["extension", "approve", IDENTIFIER],
            ["extension", "refuse", IDENTIFIER], ["extension", "reset"], ["extension", "gc"],
            ["extension", "developer", "on"], ["flow", "rejudge"],
            ["secret", "put", IDENTIFIER, "vpn", "/etc/passwd"], ["secret", "list"], ["secret", "remove", IDENTIFIER, "vpn"],
            ["key", "generate", IDENTIFIER, "vpn"], ["key", "import", IDENTIFIER, "vpn", "/etc/passwd"], ["key", "list"],
            ["key", "show", IDENTIFIER, "vpn"], ["key", "remove", IDENTIFIER, "vpn"]]


@pytest.fixture
def permitting(workshop, instances):
    """permitting(bus) starts an instance whose system bus is that; its extension verbs."""
    return lambda bus: Store(instances(arguments=workshop.arguments, environment=bus.environment))


def offer(workshop, **manifest):
    """A bundle that everybody can read."""
    place = workshop.state.parent / "offered"
    shutil.copytree(workshop.bundle(**manifest), place)
    return place


def state_of(store):
    """All that a call could have changed."""
    instance = store.instance
    return {"extensions": store.list(), "sessions": instance.sessions(), "sets": instance.ctl("set", "list"),
            "blocked": instance.ctl("set", "show", "blocked"), "developer": instance.ctl("extension", "developer")}


def prepare(store, workshop, rules):
    """An extension that runs, a session of it, and a set."""
    store.activate(workshop.bundle(), "--approve")
    store.instance.start_session(IDENTIFIER)
    store.instance.ctl("set", "put", "blocked", rules("198.18.7.0/24", name="blocked"))


def denied_requests(store):
    return [one for one in store.instance.ctl("extension", "request") if one.get("error") == 13]


def call_often(netext, number, method, *how):
    """That many calls of nobody at once, over one connection; says how each is answered, when it is."""
    socket = pathlib.Path("/run/netext") / netext.name / "control"
    return netext.lab.client.start([PROGRAMS / "many-calls", socket, number, NOBODY, method, *how],
                                   cgroup=netext.lab.daemons.path)


def answers(calling, number):
    return [calling.stdout.readline().strip() for _ in range(number)]


def test_who_is_not_root_reads_and_changes_nothing(store, workshop, rules):
    prepare(store, workshop, rules)
    for verb in READING:
        done = store.instance.run_ctl_of(NOBODY, *verb)
        assert done.returncode == 0, done
    before, bundle = state_of(store), offer(workshop, version="2.0")
    for verb in [*CHANGING, ["extension", "activate", bundle]]:
        done = store.instance.run_ctl_of(NOBODY, *verb)
        assert done.returncode == 1 and "13 authorization-required" in done.stderr, done
        assert "only an administrator may" in done.stderr and "no system bus" in done.stderr, done
    assert state_of(store) == before
    asked = [(one["kind"], one["status"]) for one in denied_requests(store)]
    assert asked == [("deactivate", "failed"), ("activate", "failed")]


def test_a_user_sees_his_own_flows_only(netext, scripted, client, server):
    scripted("say yes", "80 allow")

    def visit(uid):
        done = client.run(*as_user(uid), PROGRAMS / "talk", "tcp", Lab.SERVER, "80")
        return netext.flow(local_port=json.loads(done.stdout)["local_port"])["flow"]

    watching = netext.start_ctl_of(NOBODY, "flow", "watch", "--json")
    roots, nobodys, daemons = visit(0), visit(NOBODY), visit(DAEMON)
    assert {one["flow"] for one in netext.flows()} == {roots, nobodys, daemons}
    listed = json.loads(netext.run_ctl_of(NOBODY, "flow", "list", "--json").stdout)
    assert [one["flow"] for one in listed] == [nobodys]
    assert netext.run_ctl_of(NOBODY, "flow", "explain", nobodys).returncode == 0
    assert "no such flow" in netext.run_ctl_of(NOBODY, "flow", "explain", roots).stderr
    seen = visit_until_seen(watching, lambda: visit(NOBODY))
    assert roots not in seen and daemons not in seen
    wait_until(lambda: "about" in netext.session("scripted").get("last_lines", ""), "the filter said nothing")
    assert "last_lines" not in json.loads(netext.run_ctl_of(NOBODY, "session", "list", "--json").stdout)[0]


def visit_until_seen(watching, visit):
    """The flows that were told of, until one more of the watcher's own is."""
    last, seen = visit(), set()
    while last not in seen:
        seen.add(json.loads(watching.stdout.readline())["flow"])
    return seen


def test_nobody_takes_what_is_for_root(netext):
    held = [netext.start_ctl_of(uid, "flow", "watch") for uid in (NOBODY, DAEMON) for _ in range(8)]
    wait_until(lambda: netext.run_ctl_of(NOBODY, "status").returncode == 1, "a ninth connection is served")
    assert netext.status()["state"] == "running"
    for one in held:
        netext.lab.client.stop(one)
    wait_until(lambda: netext.run_ctl_of(NOBODY, "status").returncode == 0, "their places are not free again")
    with netext.frozen_flowd():
        asking = call_often(netext, 5, "ListFlows")
        assert answers(asking, 4) == ["System.Error.EBUSY"] * 4
    assert answers(asking, 1) == ["done"]
    wait_for_line(call_often(netext, 30000, "ListFlows", "deaf"), "closed", 10)
    assert netext.status()["state"] == "running"


RULES = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.netext1.session.start")
        return polkit.Result.AUTH_ADMIN;
    if (subject.user == "nobody" && (action.id == "org.netext1.extension.activate" ||
        action.lookup("extension") == "com.example.filter" || action.lookup("session") == "nobodys"))
        return polkit.Result.YES;
    return polkit.Result.NO;
});
"""


def test_whom_polkit_allows_it_does_it(permitting, workshop, system_bus):
    """The real polkitd, with rules of an administrator."""
    system_bus.polkitd(RULES)
    store = permitting(system_bus)
    bundle = offer(workshop)
    done = store.instance.run_ctl_of(NOBODY, "extension", "activate", "--approve", bundle)
    assert done.returncode == 0, done
    assert store.extension()["active"] and not denied_requests(store)
    for name in ("roots", "nobodys"):
        store.instance.start_session(IDENTIFIER, "--name", name)
    before = store.extension()
    for verb, why in ((["session", "start", IDENTIFIER], "polkit wants a password"),
                      (["session", "stop", "roots"], "polkit does not let you"),
                      (["set", "remove", "x"], "polkit does not let you")):
        done = store.instance.run_ctl_of(NOBODY, *verb)
        assert done.returncode == 1 and "13 authorization-required" in done.stderr and why in done.stderr, done
    done = store.instance.run_ctl_of(DAEMON, "extension", "deactivate", IDENTIFIER)
    assert done.returncode == 1 and "polkit does not let you" in done.stderr, done
    assert store.extension() == before and {one["name"] for one in store.instance.sessions()} == {"roots", "nobodys"}
    assert store.instance.run_ctl_of(NOBODY, "session", "stop", "nobodys").returncode == 0
    assert store.instance.run_ctl_of(NOBODY, "extension", "deactivate", f"{TEAM}.{IDENTIFIER}").returncode == 0
    assert store.list() == []


def test_an_administrator_is_asked_for_a_password(permitting, workshop, system_bus):
    """The real polkitd, with what netext installs and no rules; only whoever knows the password is ours."""
    system_bus.polkitd("")
    store = permitting(system_bus)
    store.activate(workshop.bundle(), "--approve")

    def ask(verb):
        """A netextctl that begins when somebody is there to be asked; and that."""
        asking = store.instance.start_ctl_of(NOBODY, "extension", verb, IDENTIFIER, stdin=-1, ready="here",
                                             before=["sh", "-c", 'echo here; read line; exec "$@"', "sh"])
        agent = system_bus.agent(asking.pid)
        asking.stdin.write("go\n")
        assert agent.wait_for("begin") == "begin org.netext1.extension.configure"
        return asking, agent

    asking, agent = ask("disable")
    assert store.extension()["active"] and asking.poll() is None
    agent.answer()
    assert asking.wait(10) == 0
    before = store.wait_for_extension(state="activated_disabled")
    asking, agent = ask("enable")
    asking.kill()
    agent.wait_for("cancel")
    assert store.extension() == before


# polkit finds an agent that stands back behind others (--fallback) through a session of logind, which is not here.
TO_THE_FORE = """#!/bin/sh -e
test "$*" = "--notify-fd $2 --fallback"
exec /usr/bin/pkttyagent --notify-fd "$2"
"""
# What polkit's own agent and its helper know by heart: where the bus is, and the passwords.
AT_HOME = """
mount --bind "$1" /run/dbus
mount --bind "$2" /etc/shadow
shift 2
exec "$@"
"""


def test_without_a_desktop_the_password_is_asked_for_at_the_terminal(permitting, workshop, system_bus, tmp_path, lab):
    """The real polkitd, its own agent, and root's password."""
    system_bus.polkitd("")
    store = permitting(system_bus)
    store.activate(workshop.bundle(), "--approve")
    shadow = tmp_path / "shadow"
    password = lab.client.run(["openssl", "passwd", "-6", "sesame"]).stdout.strip()
    shadow.write_text(f"root:{password}:20000:0:99999:7:::\n", encoding="utf-8")
    agent = system_bus.folder / "pkttyagent"
    agent.write_text(TO_THE_FORE, encoding="utf-8")
    agent.chmod(0o755)
    path = f"{system_bus.folder}:{os.environ['PATH']}"
    command = [*as_user(NOBODY), "setsid", "--ctty", "--wait", for_everybody(NETEXTCTL),
               *store.instance.ctl_command("extension", "disable", IDENTIFIER)[1:]]
    terminal = Terminal(store.instance, ["unshare", "--mount", "sh", "-ec", AT_HOME, "sh", system_bus.folder, shadow,
                                         *command], env={**os.environ, **system_bus.environment, "PATH": path})
    with contextlib.closing(terminal):
        assert "org.netext1.extension.configure" in terminal.wait_for("Password: ")
        assert store.extension()["active"]
        terminal.type("sesame")
        assert terminal.process.wait(10) == 0, terminal.seen
    store.wait_for_extension(state="activated_disabled")


def test_doctor_asks_polkit(lab, system_bus):
    def finding(environment):
        done = lab.client.run([NETEXTCTL, "doctor", "--json"], check=False, cgroup=lab.daemons.path,
                              env={**os.environ, **environment})
        return next(one for one in json.loads(done.stdout) if one["mechanism"] == "polkit")

    missing = finding(NO_BUS)
    assert missing["state"] == "missing" and not missing["essential"] and "only root" in missing["lost"]
    system_bus.polkitd("")
    assert finding(system_bus.environment)["state"] == "active"


def test_whoever_leaves_while_polkit_asks_has_changed_nothing(permitting, workshop, system_bus):
    polkit = system_bus.double("hold")
    store = permitting(system_bus)
    store.activate(workshop.bundle(), "--approve")
    before = store.extension()
    asking = store.instance.start_ctl_of(NOBODY, "extension", "deactivate", IDENTIFIER)
    assert polkit.wait_for("check") == f"check {asking.pid} {NOBODY} org.netext1.extension.deactivate interactive"
    assert store.instance.status()["state"] == "running"  # nobody else waits
    asking.kill()
    polkit.wait_for("cancel")
    polkit.answer()
    outcome = wait_until(lambda: denied_requests(store), "the request has no outcome")
    assert [one["status"] for one in outcome] == ["failed"] and "left before" in outcome[0]["message"]
    assert store.extension() == before


def test_what_polkit_says_late_counts_and_what_it_says_wrong_does_not(permitting, workshop, system_bus):
    polkit = system_bus.double("hold")
    store = permitting(system_bus)
    store.activate(workshop.bundle(), "--approve")
    late = store.instance.start_ctl_of(NOBODY, "extension", "disable", IDENTIFIER)
    polkit.wait_for("check")
    assert store.extension()["active"]
    polkit.answer()
    assert late.wait(10) == 0
    store.wait_for_extension(state="activated_disabled")
    dying = store.instance.start_ctl_of(NOBODY, "extension", "enable", IDENTIFIER)
    polkit.wait_for("check")
    polkit.kill()
    assert dying.wait(10) == 1 and "polkit cannot say who else may" in dying.stderr.read()
    wrong = system_bus.double("garbage")
    done = store.instance.run_ctl_of(NOBODY, "extension", "enable", IDENTIFIER)
    assert done.returncode == 1 and "polkitd's answer is not understood" in done.stderr, done
    wrong.kill()
    done = store.instance.run_ctl_of(NOBODY, "extension", "enable", IDENTIFIER)
    assert done.returncode == 1 and "polkit cannot say who else may" in done.stderr, done
    assert store.extension()["state"] == "activated_disabled"
    polkit = system_bus.double("hold")
    overtaken = store.instance.start_ctl_of(NOBODY, "extension", "enable", f"{TEAM}.{IDENTIFIER}")
    polkit.wait_for("check")
    store.do("deactivate", IDENTIFIER)
    polkit.answer()
    assert overtaken.wait(10) == 1 and "it means another one since polkit was asked" in overtaken.stderr.read()


def test_a_hundred_questions_of_one_user_take_nobodys_place(permitting, system_bus):
    polkit = system_bus.double("hold")
    netext = permitting(system_bus).instance
    asking = call_often(netext, 100, "RemoveSet")
    assert set(answers(asking, 92)) == {"System.Error.EACCES"}
    other = netext.start_ctl_of(DAEMON, "set", "remove", "x")
    while f" {DAEMON} " not in polkit.wait_for("check"):
        pass
    assert netext.status()["state"] == "running"
    polkit.answer()
    assert other.wait(10) == 1 and "13" not in other.stderr.read()
    assert answers(asking, 8) == ["System.Error.ENOENT"] * 8
    assert asking.wait(10) == 0
