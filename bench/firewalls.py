# SPDX-License-Identifier: Apache-2.0
"""Application firewalls that others have made, in the client's namespace, with a rule that allows the load."""
import json
import pathlib
import tempfile

from loads import PORT
from packages import NotAvailable, install
from sites import QUEUE, count_asked, expect

from harness.wait import wait_until

RULE = {"name": "load", "enabled": True, "action": "allow", "duration": "always",
        "operator": {"type": "simple", "operand": "dest.port", "data": PORT}}


def opensnitch(site):
    """Each new connection goes to opensnitchd, which looks for its program in /proc: its other ways
    need what not every kernel has."""
    install("opensnitch")
    folder = pathlib.Path(site.stack.enter_context(tempfile.TemporaryDirectory(prefix="netext-bench-")))
    (folder / "load.json").write_text(json.dumps(RULE), encoding="ascii")
    site.start_service(["opensnitchd", "-rules-path", folder, "-queue-num", QUEUE, "-process-monitor-method", "proc",
                        "-log-file", folder / "log"])
    try:
        wait_until(lambda: "queue" in site.lab.client.run(["nft", "list", "ruleset"]).stdout.lower(), "no rules", 15)
    except AssertionError:
        said = (folder / "log").read_text(encoding="utf-8").strip().splitlines()
        raise NotAvailable(f"opensnitchd has no rules in force: {(said or ['it says nothing'])[-1]}") from None
    return lambda: expect(count_asked(site) >= site.n_connections,
                          f"opensnitchd was asked about {count_asked(site)} of {site.n_connections} connections")
