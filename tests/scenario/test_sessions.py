# SPDX-License-Identifier: Apache-2.0
"""Sessions start or say why not, stand in a declared order, and every one of them has a say."""
import pathlib

import pytest

from harness.paths import PROGRAMS
from harness.wait import wait_until


@pytest.mark.parametrize("script, options, said", [
    ("start fail", [], "The script says that this filter cannot start."),
    ("start hang", ["--ready-timeout", "300"], "ready timeout"),
])
def test_a_filter_that_cannot_start(netext, rules, client, server, script, options, said):
    done = netext.run_ctl("session", "start", PROGRAMS / "scripted", "--file", f"script={rules(script)}", *options)
    assert done.returncode == 1 and said in done.stderr
    assert client.tcp(80).error is None


def test_a_program_that_is_no_extension(netext, client, server):
    done = netext.run_ctl("session", "start", "/bin/true", "--ready-timeout", "1000")
    assert done.returncode == 1 and "session true failed" in done.stderr
    assert client.tcp(80).error is None


def test_a_stopped_session_decides_nothing(netext, scripted, client, server):
    scripted("80 refuse")
    assert client.tcp(80).error == "ECONNREFUSED"
    netext.stop_session("scripted")
    assert client.tcp(80).error is None
    scripted("80 refuse")
    assert client.tcp(80).error == "ECONNREFUSED"


def test_each_end_has_its_reason(netext, scripted):
    """B15: 1 where somebody stopped the session, 100 where netextd ends; NEProviderStopReason has no number for that."""
    scripted("* allow")
    netext.stop_session("scripted")
    wait_until(lambda: "scripted stops for reason 1\n" in netext.messages(), netext.messages)
    for name in "ab":
        scripted("* allow", name=name)
    netext.stop()
    for name in "ab":
        assert f"{name} stops for reason 100\n" in netext.messages()


def test_filters_come_and_go_and_nothing_stalls(netext, scripted, firewall, client, serve, traffic):
    """D11: neither what was there before the first filter, nor what each of them has let pass."""
    serve(80), serve(81)
    with traffic("stream:80", "datagrams:80") as older:
        for _ in range(2):
            scripted("80 refuse", "81 allow", fail_policy="closed")
            with traffic("stream:81", "datagrams:81") as allowed:
                firewall("allow port 81", "default deny", fail_policy="closed")
                netext.stop_session("firewall")
            netext.stop_session("scripted")
            assert max(one["longest_s"] for one in allowed) < 1
    assert max(one["longest_s"] for one in older) < 1


def test_the_chain_is_in_order_and_each_has_a_say(netext, scripted, firewall, client, serve):
    serve(80), serve(81), serve(82)
    scripted("80 refuse", "* allow", grade="inspector", order=-5)
    firewall("deny port 81", order=5)
    assert [place["session"] for place in netext.ctl("chain")] == ["firewall", "scripted"]
    assert [client.tcp(port).error for port in (80, 81, 82)] == ["ECONNREFUSED", "EPERM", None]
    assert netext.flow(remote_port=80)["decided_by"] == "scripted"
    assert netext.flow(remote_port=81)["decided_by"] == "firewall"


def test_an_extension_can_have_several_sessions(netext, scripted, client, serve):
    serve(80), serve(81), serve(82)
    scripted("80 refuse", "* allow", name="late", order=1)
    scripted("81 refuse", "* allow", name="early")
    scripted("* allow", order=2)
    assert [place["session"] for place in netext.ctl("chain")] == ["early", "late", "scripted"]
    assert [client.tcp(port).error for port in (80, 81, 82)] == ["ECONNREFUSED", "ECONNREFUSED", None]
    assert netext.flow(remote_port=80)["decided_by"] == "late"
    assert netext.flow(remote_port=81)["decided_by"] == "early"
    assert len({session["uid"] for session in netext.sessions()}) == 3
    netext.stop_session("late")
    assert client.tcp(80).error is None


@pytest.mark.parametrize("asked, said", [
    ("taken", "session taken is running already"),
    ("Not_a_name", 'name: "Not_a_name" is not'),
])
def test_a_name_that_cannot_be_given(netext, scripted, asked, said):
    scripted("* allow", name="taken")
    done = netext.run_ctl("session", "start", "firewall", "--name", asked)
    assert done.returncode == 1 and said in done.stderr
    assert [session["name"] for session in netext.sessions()] == ["taken"]


def test_an_identifier_that_is_a_sessions_name_already(netext, scripted):
    scripted("* allow", name="scripted")
    done = netext.run_ctl("session", "start", PROGRAMS / "scripted")
    assert done.returncode == 1 and 'the extension calls itself "scripted"' in done.stderr
    assert netext.session("scripted")["state"] == "running"


@pytest.mark.parametrize("extension, options, said", [
    ("scripted", ["--kind", "app-proxy"], "session scripted failed: the extension provides filter, not app-proxy"),
    ("scripted", ["--kind", "app-proxy", "--grade", "firewall"], "grade: only filters have one"),
    ("proxies", ["--kind", "filter"], "the extension provides transparent-proxy and app-proxy, not filter"),
    ("proxies", [], "the extension provides transparent-proxy and app-proxy: say which of them"),
    ("unheard-of", [], "none of the kinds that this netextd knows: filter, transparent-proxy, app-proxy and packet-filter"),
])
def test_a_kind_that_an_extension_cannot_be(netext, extension, options, said):
    done = netext.run_ctl("session", "start", PROGRAMS / extension, *options)
    assert done.returncode == 1 and said in done.stderr
    assert netext.ctl("chain") == []


def test_a_session_has_the_kind_that_it_was_given(netext, scripted):
    scripted("* allow", kind="filter")
    netext.start_session(PROGRAMS / "proxies", "--kind", "app-proxy")
    filter_, proxy = netext.session("scripted"), netext.session("proxies")
    assert (filter_["kind"], filter_["grade"]) == ("filter", "firewall")
    assert (proxy["kind"], proxy["state"]) == ("app-proxy", "running") and "grade" not in proxy
    rows = [row.split() for row in netext.run_ctl("chain").stdout.splitlines()]
    assert ["proxies", "app-proxy", "-", "0", "running", "open"] in [row[1:] for row in rows]


def test_filters_come_before_proxies_in_the_chain(netext, scripted):
    for name, kind in (("app", "app-proxy"), ("late", "transparent-proxy"), ("early", "transparent-proxy")):
        order = {"app": -9, "late": 1, "early": 0}[name]
        netext.start_session(PROGRAMS / "proxies", "--name", name, "--kind", kind, "--order", order)
    scripted("* allow", name="inspector", grade="inspector", order=5)
    scripted("* allow", name="firewall", order=9)
    assert [(place["session"], place["kind"], place.get("grade")) for place in netext.ctl("chain")] == [
        ("firewall", "filter", "firewall"), ("inspector", "filter", "inspector"),
        ("early", "transparent-proxy", None), ("late", "transparent-proxy", None), ("app", "app-proxy", None)]


def test_an_extension_has_no_privileges(netext, scripted):
    scripted("80 allow")
    session = netext.session("scripted")
    with open(f"/proc/{session['pid']}/status", encoding="utf-8") as status:
        facts = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    assert facts["Uid"].split() == [str(session["uid"])] * 4 and 61184 <= session["uid"] <= 65519
    assert facts["Groups"].strip() in ("", str(session["uid"]))
    assert facts["NoNewPrivs"] == "1"
    assert {facts[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}


def test_an_extension_is_in_a_sandbox(netext, scripted):
    scripted("* allow")
    status = pathlib.Path(f"/proc/{netext.extension_pid('scripted')}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (fields["Seccomp"], fields["NoNewPrivs"], int(fields["CapBnd"], 16)) == ("2", "1", 0)
