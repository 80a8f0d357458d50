# SPDX-License-Identifier: Apache-2.0
"""Rules that mean the programs of installed extensions, by who signed them."""
import json
import os
import shutil
import signal

import pytest

from harness.client import TALK
from harness.lab import Lab
from harness.store import IDENTIFIER, TEAM
from harness.wait import wait_until

SIGNER = f"{TEAM}.{IDENTIFIER}"


@pytest.fixture
def netext(store):
    return store.instance


@pytest.fixture
def app(workshop):
    """app("1.0") is the path of the app in that version's copy; app.bundle("1.0") a bundle with it."""

    def find(version="1.0"):
        (folder,) = (folder for folder in workshop.state.glob(f"extensions/{IDENTIFIER}/*")
                     if json.loads((folder / "manifest.json").read_text())["version"] == version)
        return folder / "bin/app"

    find.bundle = lambda version="1.0": workshop.bundle(version=version, files={"bin/app": TALK})
    return find


def test_a_signer_is_a_team_or_an_extension(netext, store, app, firewall, client, server, tmp_path):
    store.activate(app.bundle(), "--approve")
    firewall(f"deny signer {TEAM} port 80", f"deny signer {SIGNER} port 81", "deny signer OTHER port 82",
             f"deny signer {SIGNER}x port 82", f"deny signer {IDENTIFIER} port 82")
    copy = shutil.copy(app(), tmp_path)
    for port, error in ((80, "EPERM"), (81, "EPERM"), (82, "ECONNREFUSED")):
        answer = client.tcp(port, program=app())
        assert answer.error == error, port
        assert netext.flow(pid=answer.pid)["signer"] == SIGNER
        datagram = client.udp(port, Lab.SERVER, "-t", "100", program=app())
        assert datagram.error == (error if error == "EPERM" else "ETIMEDOUT"), port
    for program in (copy, TALK):
        answer = client.tcp(80, program=program)
        assert answer.error is None
        assert "signer" not in netext.flow(pid=answer.pid)
    flow = netext.flow(program=str(app()), remote_port=80, protocol="tcp")["flow"]
    assert f"signer    {SIGNER}" in netext.run_ctl("flow", "explain", flow).stdout


def test_a_mount_does_not_hide_the_signer(netext, store, app, firewall, client, server, tmp_path):
    """The path is the user's own arrangement; the file is not, and no other file becomes it."""
    store.activate(app.bundle(), "--approve")
    firewall("default deny", f"allow signer {TEAM}")
    place, fake = tmp_path / "place", app()
    place.touch()
    for source, target, error in ((app(), place, None), (TALK, fake, "EPERM")):
        done = client.run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                          f"mount --bind {source} {target} && exec {target} tcp {Lab.SERVER} 80")
        assert json.loads(done.stdout)["error"] == error, (source, done)


def test_the_relay_knows_the_signer_of_whoever_a_flow_is_for(netext, store, app, proxy, rules, client, server):
    """The program's own flows, and those that another proxy carries on for it."""
    store.activate(app.bundle(), "--approve")
    netext.start_session("relay", "--rules", rules(f"ignore signer {SIGNER}x", f"direct signer {SIGNER}"), "--order", "2")
    for program, verdict in ((app(), "claim"), (TALK, "allow")):
        answer = client.tcp(80, program=program)
        assert answer.error is None and netext.flow(pid=answer.pid)["verdict"] == verdict
    proxy("80 splice", "attach yes", name="first", order=1)
    for program, verdict in ((app(), "claim"), (TALK, "allow")):
        answer = client.tcp(80, program=program)
        assert answer.error is None
        own = netext.flow(pid=answer.pid)
        carried = netext.flow(origin_flow=own["flow"], decided_by="relay") if verdict == "claim" else \
            netext.flow(origin_flow=own["flow"])
        assert (own["decided_by"], carried["verdict"]) == ("first", verdict)
        assert carried.get("origin_signer") == own.get("signer")


def test_it_is_known_through_restarts_and_as_long_as_it_is_enabled(netext, store, app, firewall, client, server):
    store.activate(app.bundle(), "--approve")
    firewall("default deny", f"allow signer {TEAM}")
    for restart in (netext.restart_flowd, netext.restart_netextd):
        if restart == netext.restart_netextd:
            netext.kill_netextd()
            assert client.tcp(80, program=app()).error is None
        restart()
        assert client.tcp(80, program=app()).error is None
        store.wait_for_extension(active=True)
        assert client.tcp(80, program=app()).error is None
    store.activate(app.bundle("1.1"), "--approve")
    assert client.tcp(80, program=app("1.1")).error is None
    store.do("disable", IDENTIFIER)
    assert client.tcp(80, program=app("1.1")).error == "EPERM"
    store.do("enable", IDENTIFIER)
    store.wait_for_extension_version("1.1")
    assert client.tcp(80, program=app("1.1")).error is None


def test_who_changes_the_file_makes_it_nobodys(netext, store, app, firewall, client, server):
    store.activate(app.bundle(), "--approve")
    firewall("default deny", f"allow signer {TEAM}")
    assert client.tcp(80, program=app()).error is None
    with app().open("r+b") as file:
        file.write(b"\x7f")  # as before, but who knows
    assert client.tcp(80, program=app()).error == "EPERM"
    os.kill(store.extension()["pid"], signal.SIGKILL)  # what is started anew is verified before
    wait_until(lambda: client.tcp(80, program=app()).error is None, "it is not the signer's again")
