# SPDX-License-Identifier: Apache-2.0
"""Another process takes over from an extension's, and no flow notices."""
import contextlib
import pathlib
import shutil
import signal
import subprocess

import pytest

from harness.client import PYTHON
from harness.instance import started_at
from harness.lab import Lab
from harness.namespace import wait_for_line
from harness.paths import PROGRAMS, SOURCE
from harness.wait import wait_until

TRAFFIC = SOURCE / "tests/harness/programs/traffic.py"
PROXY, FILTER = "scripted-proxy", "inspecting"


@pytest.fixture
def traffic(lab, client):
    """traffic("connect:80", "stream:81") in the client while the block runs; all went well."""

    @contextlib.contextmanager
    def run(*what):
        process = lab.client.start([PYTHON, "-I", TRAFFIC, Lab.SERVER, *what], stdin=subprocess.PIPE)
        wait_for_line(process, "ready", 20)
        yield
        process.stdin.close()
        workers = client.python_answer(process, 40)
        assert not [one for one in workers if one["error"]], workers

    return run


def replace(netext, name):
    """Returns the pids of the two processes."""
    before = netext.extension_pid(name)
    done = netext.run_ctl("session", "restart", name)
    assert done.returncode == 0, done.stderr + netext.messages()
    after = netext.extension_pid(name)
    assert after != before
    return before, after


def wait_for_end(pid, timeout=10):
    wait_until(lambda: started_at(pid) is None, f"process {pid} did not end", timeout)


def test_a_process_without_flows_ends_when_another_took_over(netext, proxy, client, server):
    proxy("80 claim")
    before, after = replace(netext, PROXY)
    wait_for_end(before)
    assert client.tcp(80).error is None
    session = netext.session(PROXY)
    assert (session["state"], session["pid"], session["restarts"]) == ("running", after, 0)


@pytest.mark.parametrize("what", ("stream:80", "datagrams:80", "stream:81"))
def test_flows_of_the_old_process_go_on(netext, proxy, serve, traffic, what):
    serve(80), serve(81)
    proxy("80 claim", "81 splice")
    with traffic(what):
        before, _ = replace(netext, PROXY)
        assert started_at(before), "it did not wait for its flow"
        assert len(netext.flows(state="open", decided_by=PROXY)) == 1
    wait_for_end(before)


def test_nobody_notices_a_hundred_replacements(netext, proxy, inspecting, serve, traffic):
    for port in range(80, 84):
        serve(port)
    inspecting("82 watch", "83 watch")
    proxy("80 splice", "81 claim", "83 claim")
    with traffic("connect:80", "connect:81", "connect:82", "connect:83", "stream:80", "stream:81", "stream:82",
                 "stream:83", "datagrams:81", "datagram:81", "datagram:82"):
        for _ in range(50):
            replace(netext, PROXY)
            replace(netext, FILTER)
