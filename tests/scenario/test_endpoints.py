# SPDX-License-Identifier: Apache-2.0
"""Apps reach installed extensions by name, whatever becomes of the extensions' processes."""
import base64
import contextlib
import json
import os
import pwd
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness.app import CONVERSE, EVERYONE, App, said
from harness.bundles import Bundle, Signer, compile, run
from harness.instance import started_at
from harness.paths import BUILD, PROGRAMS, SOURCE
from harness.sanitizer import CC
from harness.store import IDENTIFIER, TEAM, Store
from harness.wait import wait_until


@pytest.fixture
def app(store, workshop):
    """Of an extension that is enabled and has an endpoint for everyone."""
    store.activate(workshop.bundle(endpoints=EVERYONE), "--approve")
    return App(store.instance)


@pytest.mark.kernel
def test_an_app_reaches_an_extension_by_its_name(store, app):
    assert app.call("echo hello", "pid").splitlines() == ["echo hello", str(store.extension()["pid"])]
    assert app.call("who").startswith(f"{os.getuid()} {os.getgid()} ")


def test_who_is_not_listed_is_told_why(store, workshop):
    peers = [{"user": "daemon"}, {"executable": "/usr/bin/env"}]
    store.activate(workshop.bundle(endpoints=[{"name": "talk", "peers": peers}]), "--approve")
    app, daemon = App(store.instance), pwd.getpwnam("daemon")
    answer = app.call("echo")
    assert answer.startswith(f"(13) The endpoint {app.endpoint} is for the user daemon, the program /usr/bin/env, "
                             f"and not for {CONVERSE} (pid "), answer
    assert app.call("echo in", user="daemon", group="daemon", extra_groups=[]) == "echo in"
    assert app.call("who", user="daemon").startswith(f"{daemon.pw_uid} ")
    assert "was refused: it is none of its peers" in store.instance.messages()
    extension = store.extension()
    assert (extension["endpoint_refusals"], extension["endpoint_connections"]) == (1, 2)


def test_a_team_is_its_extensions_and_nobody_else(store, workshop):
    """An app is of the team of the extension that runs it: what it is called and who signed it otherwise is nothing."""
    stranger = Signer(workshop.folder, "stranger", "STRANGER")
    workshop.trust_signer(stranger)
    store.activate(workshop.bundle(endpoints=[{"name": "talk", "peers": [{"team": TEAM}]}]), "--approve")
    app = App(store.instance)

    def said_by(identifier, **manifest):
        """What the app of an extension was answered, and the user that it ran as."""
        said = workshop.state / "data" / identifier / "said"
        command = [PROGRAMS / "converse", *app.command("call", "who")[1:]]
        store.activate(workshop.bundle(identifier=identifier, app=command, **manifest), "--approve")
        wait_until(lambda: said.exists() and said.read_text().endswith("\n"), store.instance.messages, 10)
        return said.read_text(), said.stat().st_uid

    answer, uid = said_by("com.example.sibling")
    assert answer.startswith(f"{uid} {uid} ") and answer.endswith("/bin/app\n") and uid > 60000, answer
    answer, uid = said_by("org.stranger.app", team="STRANGER", signer=stranger)
    assert answer.startswith(f"(13) The endpoint {app.endpoint} is for extensions of the team {TEAM}, and not for "), answer
    assert answer.endswith(f"user {uid})\n"), answer
    assert app.call("echo").startswith("(13) ")  # root, who is no extension
    talking = next(one for one in store.list() if one["identifier"] == IDENTIFIER)
    assert (talking["endpoint_connections"], talking["endpoint_refusals"]) == (1, 2)


SILENT_DIRECTORY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

int getpwnam_r(const char *name, struct passwd *entry, char *room, size_t size, struct passwd **found)
{
        int (*real)(const char *, struct passwd *, char *, size_t, struct passwd **) = dlsym(RTLD_NEXT, "getpwnam_r");

        while (strcmp(name, "far-away") == 0)
                pause();
        return real(name, entry, room, size, found);
}
"""


def test_a_directory_that_does_not_answer_keeps_nobody_else_out(instances, workshop, tmp_path):
    """A user is looked for beside netextd's loop: others are served, and whoever is not found in time is told so."""
    library = compile(SILENT_DIRECTORY, tmp_path / "silent.so", "-shared", "-fPIC", "-ldl")
    store = Store(instances(arguments=workshop.arguments, environment={"LD_PRELOAD": str(library)}))
    began = time.monotonic()
    store.activate(workshop.bundle(endpoints=[{"name": "talk", "peers": [{"user": "far-away"}, {"user": "daemon"}]}]),
                   "--approve")
    app = App(store.instance)
    stranger = subprocess.Popen(app.command("call", "echo"), stdout=subprocess.PIPE, text=True)
    assert app.call("echo in", user="daemon", group="daemon", extra_groups=[]) == "echo in"
    assert store.extension()["active"]
    assert time.monotonic() - began < 5, "the loop waited"
    answer = stranger.communicate(timeout=20)[0]
    assert "(13) The endpoint" in answer and "for the user far-away, the user daemon" in answer
    assert time.monotonic() - began > 4, "it was refused before it could be found"


def test_a_name_is_there_while_its_process_dies(store, app):
    """L12, at some hundred moments; tests/endpoint has the same with every process of a kind."""
    pid = int(app.call("pid"))
    os.kill(pid, signal.SIGKILL)
    assert int(app.call("pid")) not in (0, pid)
    for _ in range(3):  # more would be over the extension's budget of restarts, see below
        killed = int(app.call("pid"))
        threading.Timer(random.random() / 20, os.kill, (killed, signal.SIGKILL)).start()
        assert app.socket.exists()
        assert app.call("echo again") in ("echo again", "(32) The process behind the endpoint "
                                          f'"{app.endpoint}" ended, or closed the connection')
        wait_until(lambda: app.call("pid") != str(killed), lambda: f"pid {killed} lives", 10)


def knock(path):
    knocking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    knocking.connect(str(path))
    return knocking


def test_an_extension_that_takes_its_time_is_not_flooded(store, app):
    """Its control channel has room for what it took, and not for everybody who knocks."""
    pid = int(app.call("pid"))
    os.kill(pid, signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        knocking = [stack.enter_context(knock(app.socket)) for _ in range(600)]
        knocking[-1].settimeout(10)
        refusal = knocking[-1].recv(1024)
        os.kill(pid, signal.SIGCONT)
        assert b"connections that wait for extensions, as many as a user may have" in refusal
        knocking[0].settimeout(10)
        assert knocking[0].recv(16)[:8] == struct.pack("<HHi", 1, 0, 1)  # WELCOME
    assert wait_until(lambda: app.call("pid").isdigit() and app.call("pid"), lambda: app.call("pid")) == str(pid)


def test_of_an_extension_that_fails_an_app_hears_why(store, app):
    def killed():
        answer = app.call("pid")
        if answer.isdigit():
            os.kill(int(answer), signal.SIGKILL)
            return None
        return answer if answer.startswith("(112)") else None

    answer = wait_until(killed, lambda: store.instance.messages(), 20)
    assert answer.startswith(f"(112) The extension {IDENTIFIER} does not run: "), answer
    assert "signal 9" in answer, answer
    wait_until(lambda: app.call("echo healed") == "echo healed", lambda: app.call("echo"), 20)


def test_no_call_fails_while_versions_replace_each_other(store, workshop, app):
    """L10, L11, B2: the name, what is asked over one connection, and new connections all the while."""
    programs, pids = [app.load("load"), app.load("knock")], [int(app.call("pid"))]
    for version in ("1.1", "1.2", "1.3", "1.4"):
        store.activate(workshop.bundle(version=version, endpoints=EVERYONE))
        store.wait_for_extension_version(version)
        pids.append(int(app.call("pid")))
        assert pids[-1] not in pids[:-1]
    for pid in pids[:-1]:  # with what they were asked, long before their time is over
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), lambda: f"pid {pid} is there", 10)
    for program in programs:
        calls, failed, why = said(program)
        assert failed == 0 and calls > 20, (calls, failed, why)


def test_who_is_replaced_has_its_grace_time_and_no_more(store, workshop):
    """Also under another netextd; what it was asked is answered meanwhile, or by its end."""
    store.activate(workshop.bundle(endpoints=EVERYONE, grace_time=4), "--approve")
    app, pid = App(store.instance), store.extension()["pid"]
    with subprocess.Popen(app.command("call", "never"), stdout=subprocess.PIPE, text=True) as program:
        wait_until(lambda: store.extension()["endpoint_connections"] == 1, "it was not asked")
        store.activate(workshop.bundle(version="1.1", endpoints=EVERYONE))
        replaced_at = time.monotonic()
        extension = store.wait_for_extension_version("1.1")
        assert extension["leaving"] == 1 and extension["pid"] != pid
        listed = store.instance.run_ctl("extension", "list").stdout
        assert f"{extension['pid']} (1 leaving)" in listed, listed
        store.instance.kill_netextd()
        store.instance.restart_netextd()
        assert started_at(pid) and program.poll() is None
        assert program.communicate(timeout=10)[0] == (
            f'(32) The process behind the endpoint "{app.endpoint}" was replaced, and ended without an answer\n')
    assert 3 < time.monotonic() - replaced_at < 8
    wait_until(lambda: not started_at(pid), f"pid {pid} is there", 5)
    assert f"(pid {pid}) still has flows or questions, and its grace time is over" in store.instance.messages()
    assert store.extension()["leaving"] == 0


def test_a_version_may_list_others(store, workshop, app):
    store.activate(workshop.bundle(version="1.1", endpoints=[{"name": "talk", "peers": [{"user": "daemon"}]}]))
    store.wait_for_extension_version("1.1")
    assert app.call("echo").startswith("(13) ")
    store.activate(workshop.bundle(version="1.2", endpoints=[{"name": "absent", "peers": ["everyone"]}]))
    store.wait_for_extension_version("1.2")
    assert app.call("echo").startswith(f'(2) There is no endpoint "{app.endpoint}"')
    assert App(store.instance, "absent").call("echo") == "echo"


def test_a_version_that_does_not_start_changes_nothing(store, workshop, app):
    pid = app.call("pid")
    number = store.submit(workshop.bundle(version="1.1", fate="dies", endpoints=[]))
    assert store.outcome(number)["status"] == "failed"
    assert app.call("pid") == pid


def test_a_deactivated_extension_has_no_name(store, app):
    assert app.socket.exists()
    store.do("deactivate", IDENTIFIER)
    wait_until(lambda: not app.socket.exists(), lambda: "its socket is there")
    assert app.call("echo").startswith("(2) There is no endpoint ")


def test_names_survive_netextd(store, app):
    pid = app.call("pid")
    program = app.load("load")
    store.instance.kill_netextd()
    assert app.socket.exists()
    threading.Timer(0.3, store.instance.start).start()
    assert app.call("pid") == pid  # it waited for the next netextd, and the process is the same
    assert said(program)[1] == 0  # what is connected does not need netextd


def test_an_absent_app_is_started_for_its_events(store, workshop, tmp_path):
    """I07: within 2 s, each event once; also where the command that started it is not over yet."""
    os.chmod(tmp_path, 0o755)
    place = workshop.state.parent / "activated"
    place.mkdir()
    os.chmod(place, 0o777)
    command = ["/bin/sh", "-c", f'read -r line </proc/$$/stat; id -u >{place}/user; echo "$line" >>{place}/started; '
                                f'{CONVERSE} {store.instance.name} "$NETEXT_ENDPOINT" events 3 >>{place}/got; '
                                f'touch {place}/gone; while [ ! -e {place}/over ]; do sleep 0.02; done']
    store.activate(workshop.bundle(endpoints=[*EVERYONE, {
        "name": "absent", "peers": [{"user": "daemon"}], "activation": command}]), "--approve")
    app = App(store.instance)

    def got():
        path = place / "got"
        return [line.split("\0")[0] for line in path.read_text().splitlines()] if path.exists() else []

    app.call("absent 3 16")
    wait_until((place / "gone").exists, store.instance.messages)
    assert got() == ["0", "1", "2"]
    # The kernel's time of the fork, and the extension's own of the event: the machine may be slow to say so.
    started_s = int((place / "started").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    assert started_s - int(app.call("when")) / 1e9 < 2
    assert int((place / "user").read_text()) == pwd.getpwnam("daemon").pw_uid
    app.call("absent 3 16")
    (place / "over").touch()
    wait_until(lambda: got() == ["0", "1", "2"] * 2, store.instance.messages)
    assert len((place / "started").read_text().splitlines()) == 2


def test_events_are_lines_of_json(store, app):
    """I02: each whole, and what a slow reader is not given is counted."""

    def post(n, size):
        assert app.call(f"post {n} {size}") == "done"

    listener = store.instance.start_ctl_of(0, "endpoint", "listen", app.endpoint, "--json")
    wait_until(lambda: store.extension()["endpoint_connections"] > 0, store.instance.messages)
    post(1, 1)
    assert json.loads(listener.stdout.readline()) == {"dropped": 0, "text": "0"}
    post(1, 3)
    assert json.loads(listener.stdout.readline()) == {"dropped": 0, "base64": "MAAA"}
    listener.send_signal(signal.SIGSTOP)
    post(5000, 1000)
    listener.send_signal(signal.SIGCONT)
    n_got, n_dropped, last = 0, 0, None
    while last != "4999":
        event = json.loads(listener.stdout.readline())
        n_got, n_dropped = n_got + 1, n_dropped + event["dropped"]
        last = base64.b64decode(event["base64"]).rstrip(b"\0").decode()
    assert n_got + n_dropped == 5000 and n_dropped > 0
    listener.send_signal(signal.SIGINT)
    assert listener.wait(5) == 0


def test_who_listens_is_told_why_not(store, app):
    assert "an endpoint is called TEAM.IDENTIFIER.NAME" in store.instance.run_ctl("endpoint", "listen", "a/b").stderr
    done = store.instance.run_ctl("endpoint", "listen", f"{app.endpoint}er", "--json")
    assert (done.returncode, done.stdout) == (1, "") and "There is no endpoint" in done.stderr


def test_the_example_and_its_app_understand_each_other(store, workshop, client, serve):
    """examples/hello-endpoint with its own manifest, and examples/hello-app."""
    example = SOURCE / "examples" / "hello-endpoint"
    program = workshop.folder / "hello-endpoint"
    run(*CC, "-I", SOURCE / "include", example / "hello-endpoint.c", BUILD / "src" / "sdk" / "libnetext.a", "-o", program)
    bundle = Bundle(workshop.folder / "hello", program)
    bundle.manifest = json.loads((example / "manifest.json").read_text("utf-8"))
    (bundle / "bin" / "filter").rename(bundle / bundle.manifest["executable"])
    bundle.write_manifest()
    bundle.sign(workshop.signer)
    store.activate(bundle.folder, "--approve")
    store.instance.start_session(f"{TEAM}.org.example.hello")
    with subprocess.Popen([BUILD / "examples" / "hello-app" / "hello-app", f"{TEAM}.org.example.hello.status",
                           store.instance.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as app:
        assert app.stdout.readline().startswith("0 flows so far, user 0 of ")
        serve(81)
        client.tcp(81)
        assert app.stdout.readline().endswith(" 198.18.0.2:81\n")
        store.do("deactivate", "org.example.hello")
        assert "ended, or closed the connection" in app.communicate(timeout=10)[1]
