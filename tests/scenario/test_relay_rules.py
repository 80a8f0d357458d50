# SPDX-License-Identifier: Apache-2.0
"""The bundled relay: which flows are whose, by rules that are taken over as a whole."""
import pytest

from harness.client import TALK
from harness.lab import Lab
from harness.wait import wait_until


def test_new_flows_go_by_new_rules(netext, relay, rules, client, server, upstream):
    first, second = upstream("socks5", 1080), upstream("connect", 3128)
    path = relay(first.line("office"), "via office port 80")
    talking = client.start("tcp", Lab.SERVER, 80, "-n", "20", "-i", "50")
    wait_until(lambda: first.reached(80) == 1, "the first connection did not go through the first upstream")
    rules(second.line("office"), "via office port 80")
    wait_until(lambda: client.tcp(80).error is None and second.reached(80) > 0, "the new rules were not in force")
    assert client.answer(talking).answers == 20
    rules("via office port 80")
    netext.wait_for_message("relay", f"{path}:1:5: 'office' is not an upstream")
    reached = second.reached(80)
    assert client.tcp(80).error is None and second.reached(80) == reached + 1


def test_the_first_match_decides(netext, relay, client, serve, upstream):
    serve(80), serve(81), serve(82)
    proxy = upstream("socks5")
    relay(proxy.line("office"), "ignore port 81", f"via office program {TALK.resolve()} port 80-81",
          "ignore port 80", "default direct")
    expected = {80: ("claim", "relay", 1), 81: ("allow", None, 0), 82: ("claim", "relay", 0)}
    for port, (verdict, by, reached) in expected.items():
        answer = client.tcp(port)
        flow = netext.flow(local_port=answer.local_port)
        assert (answer.error, flow["verdict"], proxy.reached(port)) == (None, verdict, reached), flow
        assert by is None or flow["decided_by"] == by
    connect = ["/bin/bash", "-c", "exec 3<>/dev/tcp/198.18.0.2/80"]
    assert client.run(*connect).returncode == 0
    assert netext.flow(remote_port=80, program="/usr/bin/bash")["verdict"] == "allow"


def test_a_direct_flow_is_told_what_its_destination_says(netext, relay, client, server):
    relay("default direct")
    assert client.tcp(80).error is None
    assert client.tcp(81).error == "ECONNREFUSED"


@pytest.mark.parametrize("lines, secret, said", [
    (["via office"], None, ":1:5: 'office' is not an upstream"),
    (["direct", "direct prot tcp"], None, ":2:8: 'prot' is not a clause"),
    (["upstream a socks5 198.18.0.2:1 credentials secret"], None, ":1:44: no file 'secret' was given"),
    (["upstream a socks5 198.18.0.2:1 credentials secret"], "sesame-1",
     ":1:44: the file 'secret' is at fault: there is no colon in its first line: expected USER:PASSWORD"),
])
def test_a_bad_file_at_the_start_starts_nothing(netext, rules, lines, secret, said):
    path = rules(*lines)
    files = ["--file", f"secret={rules(secret, name='secret')}"] if secret else []
    done = netext.run_ctl("session", "start", "relay", "--rules", path, *files)
    assert done.returncode == 1
    assert f"{path}{said}" in done.stderr and "sesame" not in done.stderr
    assert [one for one in netext.sessions() if one["state"] == "running"] == []


def test_a_file_that_nobody_names_is_told(netext, relay):
    relay("default direct", secret="alice:sesame-1")
    wait_until(lambda: "a file 'secret' was given, and no upstream names it" in netext.messages(), "it was not told")


def test_packages_are_looked_up_again(netext, rules, client, server, tmp_path):
    status, path = tmp_path / "status", rules("direct package bash")
    status.write_text("Package: bash\n", encoding="utf-8")
    done = netext.run_ctl("session", "start", "relay", "--rules", path, "--file", f"packages={status}")
    assert done.returncode == 0, done.stderr
    rules("nonsense")  # the old rules stay in force, and it is those that are looked up
    netext.wait_for_message("relay", "'nonsense' is not the start of a line")
    status.with_suffix(".new").write_text("Package: bash\nVersion: 2\n", encoding="utf-8")
    status.with_suffix(".new").rename(status)
    netext.wait_for_message("relay", "1 rules in force")
    assert client.run("/bin/bash", "-c", "exec 3<>/dev/tcp/198.18.0.2/80").returncode == 0
    assert netext.flow(program="/usr/bin/bash")["decided_by"] == "relay"
