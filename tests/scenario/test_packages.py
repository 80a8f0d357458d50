# SPDX-License-Identifier: Apache-2.0
"""Packages where they are rpm's: rules by them, which follow changes, and whose a program is."""
import json

import pytest

from harness import rpm
from harness.lab import Lab
from harness.namespace import run
from harness.wait import wait_until

OPEN = ["/bin/bash", "-c", f"exec 3<>/dev/tcp/{Lab.SERVER}/80"]


@pytest.mark.skipif(not rpm.is_here(), reason="there is no rpm here: install the package rpm")
def test_packages_of_rpm(instances, rules, client, server, tmp_path):
    machine = rpm.Machine(tmp_path)
    netext = instances(within=machine.within())
    path = rules("default deny", "allow package shell_1")
    netext.start_session("firewall", "--rules", path, "--file", f"packages={machine.database}/rpmdb.sqlite")
    netext.wait_for_message("firewall", f"{path}:2:15: 'shell_1' is no installed package")
    assert client.run(*OPEN).returncode != 0
    machine.install("shell_1", "/usr/bin/bash")
    wait_until(lambda: client.run(*OPEN).returncode == 0, "the package's program is refused")
    assert client.tcp(80).error == "EPERM"
    listed = json.loads(run(machine.within(*netext.ctl_command("flow", "list", "--packages", "--json"))).stdout)
    assert {(flow["comm"], flow.get("package")) for flow in listed} == {("bash", "shell_1"), ("talk", None)}
