# SPDX-License-Identifier: Apache-2.0
"""Extensions are replaced all the while, and neither flows nor apps notice."""
import os
import subprocess

import pytest

from harness.app import EVERYONE, App, said
from harness.store import IDENTIFIER, Store

PROXY, FILTER = "scripted-proxy", "inspecting"
REPLACEMENTS = int(os.environ.get("REPLACEMENTS", "1000"))


@pytest.fixture
def netext(instances, workshop):
    """One where extensions can be installed."""
    return instances(arguments=workshop.arguments)


def restart(netext, *names):
    """At once."""
    client, daemons = netext.lab.client, netext.lab.daemons.path
    commands = [client.start(netext.ctl_command("session", "restart", name), cgroup=daemons, stderr=subprocess.PIPE)
                for name in names]
    for command in commands:
        _, complaint = command.communicate(timeout=60)
        assert command.returncode == 0, complaint + netext.messages()
        client.stop(command)


@pytest.mark.alone
def test_nobody_notices_a_thousand_replacements(netext, proxy, inspecting, workshop, serve, traffic):
    """Every third time the one that apps talk to; of these every tenth time by another version (L10)."""
    for port in range(80, 84):
        serve(port)
    inspecting("82 watch", "83 watch")
    proxy("80 splice", "81 claim", "83 claim")
    store, versions = Store(netext), [workshop.bundle(version=version, endpoints=EVERYONE) for version in ("1.0", "1.1")]
    store.activate(versions[0], "--approve")
    netext.start_session(IDENTIFIER)
    apps = [App(netext).load("load"), App(netext).load("knock")]
    with traffic("connect:80", "connect:81", "connect:82", "connect:83", "stream:80", "stream:81", "stream:82",
                 "stream:83", "datagrams:81", "datagram:81", "datagram:82"):
        for turn in range((REPLACEMENTS + 2) // 3):
            restart(netext, PROXY, FILTER, *([IDENTIFIER] if turn % 10 else []))
            if turn % 10 == 0:
                store.activate(versions[1 - turn // 10 % 2], "--replace")
    for app in apps:
        calls, failed, why = said(app)
        assert failed == 0 and calls > REPLACEMENTS, (calls, failed, why)
    assert all(session["state"] == "running" and session["restarts"] == 0 for session in netext.sessions())
