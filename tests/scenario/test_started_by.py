# SPDX-License-Identifier: Apache-2.0
"""Helper tools count as the app where it started them: rules about a program's ancestors."""
import json
import subprocess

import pytest

from harness.client import TALK
from harness.lab import Lab
from harness.wait import wait_until

SAY = f"{TALK} tcp {Lab.SERVER} 80"


@pytest.fixture
def app(tmp_path):
    """A program that starts others."""
    path = tmp_path / "app"
    path.write_bytes(open("/bin/bash", "rb").read())
    path.chmod(0o755)
    return path


def error_of(done):
    return json.loads(done.stdout)["error"]


@pytest.mark.kernel
def test_a_helper_counts_where_the_app_started_it(netext, firewall, client, server, app):
    firewall("default deny", f"allow program {TALK} started-by {app}")
    assert error_of(client.run(app, "-c", f"{SAY}; :")) is None
    assert error_of(client.run(app, "-c", f"/bin/sh -c '{SAY}; :'; :")) is None
    assert client.tcp(80).error == "EPERM"
    assert error_of(client.run("/bin/bash", "-c", f"{SAY}; :")) == "EPERM"
    # The app itself is none of its helpers, and what replaces it was not started by it.
    assert client.run(app, "-c", "exec 3<>/dev/tcp/198.18.0.2/80").returncode != 0
    assert error_of(client.run(app, "-c", f"exec {SAY}")) == "EPERM"


@pytest.mark.parametrize("protocol", ["udp", "udp-connected"])
def test_datagrams_of_a_helper(netext, firewall, client, server, app, protocol):
    firewall(f"deny started-by {app} port 80")
    say = f"{TALK} -t 200 {protocol} {Lab.SERVER} 80"
    assert error_of(client.run(app, "-c", f"{say}; :")) is not None
    assert error_of(client.run("/bin/bash", "-c", f"{say}; :")) is None


def test_an_app_that_has_ended_started_nobody(netext, firewall, client, server, app):
    firewall("default deny", f"allow started-by {app}")
    orphan = f"while [ -d /proc/$APP ]; do :; done; exec {SAY}"
    done = client.run("/bin/bash", "-c", f"{app} -c 'export APP=$$; /bin/bash -c \"$0\" & :' \"$0\" | cat", orphan)
    assert error_of(done) == "EPERM", done
    assert error_of(client.run(app, "-c", f"{SAY}; :")) is None


def test_so_far_up_the_app_is_looked_for(netext, firewall, client, server, app):
    firewall("default deny", f"allow started-by {app}")
    between = "/bin/sh -c '\"$@\"; :' - "
    assert error_of(client.run(app, "-c", f"{between * 7} {SAY}; :")) is None
    assert error_of(client.run(app, "-c", f"{between * 8} {SAY}; :")) == "EPERM"


def test_rules_that_come_later_know_the_ancestors_too(netext, firewall, rules, client, server, app):
    """Also those of a program that had a flow before."""
    firewall("allow")
    code = f"""
        exec 3<>/dev/udp/{Lab.SERVER}/81; echo hello >&3; echo ready
        read; exec 3<>/dev/tcp/{Lab.SERVER}/80; echo ready; read"""
    process = client.lab.client.start([app, "-c", f"/bin/bash -c '{code}'; :"], stdin=subprocess.PIPE)
    client.wait_for_ready(process)
    rules("default deny", f"allow started-by {app} port 80")
    wait_until(lambda: client.tcp(80).error == "EPERM", "the new rules were not in force")
    process.stdin.write("\n")
    process.stdin.flush()
    client.wait_for_ready(process)


def test_the_app_s_path_has_to_be_the_system_s(netext, firewall, client, server, app):
    firewall("default deny", f"allow started-by {app}")
    assert error_of(client.run(app, "-c", f"{SAY}; :")) is None
    fake = f"mount --bind /bin/bash {app} && {app} -c '{SAY}; :'; :"
    assert error_of(client.run("unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", fake)) == "EPERM"
