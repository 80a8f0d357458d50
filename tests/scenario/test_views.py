# SPDX-License-Identifier: Apache-2.0
"""What a person sees of an instance: flows live, one flow explained, status and doctor."""
import json
import select
import signal

import pytest

from harness import snapshot
from harness.client import TALK
from harness.namespace import run, wait_for_line
from harness.paths import NETEXTCTL
from harness.wait import wait_until


def test_watch_shows_a_flow_as_it_happens(netext, scripted, client, server, lab):
    scripted("80 pause 200 refuse")
    watch = lab.client.start(netext.ctl_command("flow", "watch", "--json", "--packages"), cgroup=lab.cgroup.path.parent)
    wait_until(lambda: client.tcp(80) and select.select([watch.stdout], [], [], 0)[0], "nothing was shown")
    answer, events = client.tcp(80), []
    while len(events) < 2:
        event = json.loads(wait_for_line(watch, "{", 5))
        if event["local_port"] == answer.local_port:
            events.append(event)
    assert [event["event"] for event in events] == ["held", "decided"]
    assert events[1]["verdict"] == "refuse" and events[1]["program"] == str(TALK.resolve())
    client.run("bash", "-c", f"exec 3<>/dev/tcp/{lab.SERVER}/80")
    assert json.loads(wait_for_line(watch, '{"event": "held"', 5))["package"] == "bash"
    watch.send_signal(signal.SIGINT)
    assert watch.wait(5) == 0


def test_watch_shows_the_local_end_of_a_flow_that_rules_allowed(netext, firewall, client, server, lab):
    firewall("allow port 80")
    watch = lab.client.start(netext.ctl_command("flow", "watch", "--json"), cgroup=lab.cgroup.path.parent)
    wait_until(lambda: client.tcp(80) and select.select([watch.stdout], [], [], 0)[0], "nothing was shown")
    process, events = client.start("tcp", lab.SERVER, 80, "-s"), []
    answer = client.answer(process)
    while len(events) < 2:
        event = json.loads(wait_for_line(watch, "{", 5))
        if event["pid"] == answer.pid:
            events.append(event)
            process.stdin.close()
    assert [event["event"] for event in events] == ["decided", "closed"]
    assert {(event["local_address"], event["local_port"]) for event in events} == {(lab.CLIENT, answer.local_port)}


def test_explain_tells_who_what_and_why(netext, firewall, client, server):
    path = firewall("deny port 80")
    client.tcp(80)
    done = netext.run_ctl("flow", "explain", netext.flow(remote_port=80)["flow"])
    assert done.returncode == 0
    for fact in (str(TALK), "198.18.0.2", "80", "firewall", f"{path.name}:1", "refuse"):
        assert fact in done.stdout, done.stdout


def test_status(netext, scripted, lab):
    scripted("80 allow")
    status = netext.ctl("status")
    assert status["instance"] == netext.name and status["netextd_pid"] == netext.process.pid
    assert status["cgroup"].endswith(lab.cgroup.name)
    assert [session["name"] for session in status["sessions"]] == ["scripted"]


@pytest.mark.kernel
def test_doctor_tries_each_mechanism_and_leaves_nothing(lab):
    """R-48."""
    before = snapshot.of_namespace(lab.client)
    done = lab.client.run([NETEXTCTL, "doctor", "--json"], check=False, cgroup=lab.cgroup.path.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert len(found) >= 5 and {one["state"] for one in found} <= {"active", "fallback", "missing"}
    assert all(one["why"] for one in found if one["state"] != "active")
    assert all(one["lost"] for one in found if one["state"] == "missing")
    states = {one["mechanism"]: one["state"] for one in found}
    assert states["delivery"] == "active"  # or no scenario of a proxy could pass
    assert states["inbound"] == "active"  # else no filter could decide about what comes in
    assert states["visits"] == "active"  # nor one of bytes that came in
    assert states["cgroup-levels"] == "active"  # nor one of a cgroup
    assert snapshot.of_namespace(lab.client) == before


def test_every_verb_has_text_and_json(netext, scripted, client, server):
    scripted("80 allow")
    client.tcp(80)
    for verb in (["status"], ["session", "list"], ["flow", "list"], ["chain"]):
        assert netext.run_ctl(*verb).stdout.strip()
        assert netext.ctl(*verb)


def test_what_is_empty_is_json_too(netext):
    assert [netext.ctl(*verb) for verb in (["session", "list"], ["flow", "list"], ["chain"])] == [[], [], []]


@pytest.mark.parametrize("words, offered", [
    (["session", "st"], ["start", "stop"]),
    (["run", "--with", "fire"], ["firewall"]),
    (["run", "--with", "a,fire"], ["a,firewall"]),
    (["run", "--with", "relay:"], ["relay:filter", "relay:transparent-proxy", "relay:app-proxy", "relay:packet-filter"]),
    (["run", "--with", "a:filter,relay:ap"], ["a:filter,relay:app-proxy"]),
    (["run", "--with", "relay", ":", "ap"], ["app-proxy"]),  # "relay:ap", as bash has it
    (["run", "--with", "relay", ":"], ["filter", "transparent-proxy", "app-proxy", "packet-filter"]),
    (["run", "--with", "relay="], []),  # a file, which the shell knows
    (["run", "--with", "relay", "=", "office.rules", "--sum"], ["--summary"]),
    (["run", "--with", "relay", "=", "office.rules,fire"], ["office.rules,firewall"]),
    (["session", "start", "--grade", "=", "f"], ["firewall"]),  # "--grade=f", as bash has it
    (["session", "stop", "scr"], ["scripted"]),
])
def test_completions(netext, scripted, words, offered):
    scripted()
    assert netext.run_ctl("complete", "--", *words).stdout.split() == offered
