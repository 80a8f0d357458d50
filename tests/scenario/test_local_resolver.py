# SPDX-License-Identifier: Apache-2.0
"""R-18: what a resolver of this host asks others for names the program that asked it, as a hint."""
import os
import shutil

import pytest

from harness.client import PYTHON
from harness.lab import Lab
from harness.wait import wait_until

STUB = "127.0.0.53"
DIG = os.path.realpath(shutil.which("dig"))
DNSMASQ = os.path.realpath(shutil.which("dnsmasq"))


@pytest.fixture
def stub(lab, resolver, tmp_path):
    """dnsmasq among the instance's programs, which asks the one on the server; nothing is kept."""

    def start():
        lab.client.start(["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
                          "--bind-interfaces", f"--listen-address={STUB}", "--user=root", "--cache-size=0",
                          f"--server={Lab.SERVER}", f"--pid-file={tmp_path}/stub.pid"])
        wait_until(lambda: resolver("ready.example.test", server=STUB) == Lab.SERVER, "dnsmasq does not answer")

    return start


# A program that asks each of these servers for a name.
ASK = """
    def ask(name, to):
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.settimeout(5)
            ours.sendto(b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00" + labels + b"\\x00\\x00\\x01\\x00\\x01", (to, 53))
            return ours.recv(1000)[3] & 15
    answer = [ask(name, to) for to in servers]
"""


def test_a_resolvers_question_names_the_program_that_asked_it(netext, stub, resolver, client):
    stub()
    seen = {flow["flow"] for flow in netext.flows()}

    def asked():
        """What went to the other host since: by whom, and on whose behalf."""
        flows = [flow for flow in netext.flows(remote_address=Lab.SERVER, remote_port=53) if flow["flow"] not in seen]
        seen.update(flow["flow"] for flow in flows)
        return [(flow["program"], flow.get("hint_on_behalf_of"), flow.get("hint_on_behalf_of_several")) for flow in flows]

    assert resolver("One.Example.TEST", server=STUB) == Lab.SERVER
    assert asked() == [(DNSMASQ, DIG, False)]
    flow = netext.flows(hint_on_behalf_of=DIG)[-1]
    assert flow["hint_on_behalf_of_pid"] == netext.flows(remote_address=STUB)[-1]["pid"] != flow["pid"]
    assert f"{DIG}, process {flow['hint_on_behalf_of_pid']}, which asked for that name" in \
        netext.run_ctl("flow", "explain", flow["flow"]).stdout

    # Two programs, one name. What the second one asks the other host by itself is on nobody's behalf.
    assert client.python(ASK, name="one.example.test", servers=[STUB, Lab.SERVER]) == [0, 0]
    assert asked() == [(DNSMASQ, DIG, True), (os.path.realpath(PYTHON), None, None)]
    long = ".".join(["x" * 60] * 3) + ".example.test"
    assert client.python(ASK, name=long, servers=[STUB]) == [0]
    assert asked() == [(DNSMASQ, os.path.realpath(PYTHON), False)]
