# SPDX-License-Identifier: Apache-2.0
"""A proxy may look at what a program says first, before it says whether it takes the flow (D04, B7)."""
import pytest

from harness.lab import Lab
from harness.wait import wait_until


def wait_for_peek(netext, size, words, name="scripted-proxy"):
    """What it says of itself comes by another way than its verdict."""
    wait_until(lambda: netext.message(name) == f"peeked {size}: {words}",
               lambda: f"{name} did not see '{words}': {netext.sessions()}")


def test_a_flow_that_is_peeked_at_and_declined_loses_nothing(netext, proxy, client, server):
    proxy("80 peek 5 decline")
    for address in (Lab.SERVER, Lab.SERVER6):
        answer = client.tcp(80, address, "-n", "3", "-i", "5")
        assert (answer.error, answer.answers) == (None, 3)
        assert netext.flow(local_port=answer.local_port)["verdict"] == "allow"
    wait_for_peek(netext, 5, "hello")
    assert b"".join(data for _, _, data in server.seen) == b"hello" * 6


def test_who_claims_reads_what_was_peeked_at(netext, proxy, client, server):
    proxy("80 peek 5 splice", "81 peek 5 echo")
    for port in (80, 81):
        answer = client.tcp(port, Lab.SERVER, "-n", "3", "-i", "5")
        assert (answer.error, answer.answers) == (None, 3), port
        assert netext.flow(local_port=answer.local_port)["verdict"] == "claim"
    assert b"".join(data for _, _, data in server.seen) == b"hello" * 3


def test_a_program_that_says_less_is_not_waited_for_for_ever(netext, proxy, client, server):
    proxy("80 peek 4000 decline")
    answer = client.tcp(80, Lab.SERVER)
    assert answer.error is None and 250 < answer.ms < 2000
    wait_for_peek(netext, 5, "hello")


def test_the_next_proxy_may_peek_at_the_same_bytes(netext, proxy, client, server):
    proxy("80 peek 5 decline", name="first", order=1)
    proxy("80 peek 3 decline", name="second", order=2)
    answer = client.tcp(80, Lab.SERVER)
    assert answer.error is None
    wait_for_peek(netext, 5, "hello", "first")
    wait_for_peek(netext, 3, "hel", "second")
    assert netext.flow(local_port=answer.local_port)["decided_by"] == "second"


def test_a_flow_that_is_refused_by_what_it_says_is_reset(netext, proxy, client, server):
    for action in ("refuse", "fail"):
        proxy(f"80 peek 5 {action}")
        answer = client.tcp(80, Lab.SERVER, "-t", "2000")
        assert answer.error == "ECONNRESET" and answer.ms < 1000
        netext.stop_session("scripted-proxy")
    assert server.seen == []


def test_a_direct_flow_whose_destination_refuses_is_reset(netext, proxy, client):
    proxy("81 peek 5 decline")
    answer = client.tcp(81, Lab.SERVER, "-t", "2000")
    assert answer.error == "ECONNRESET" and answer.ms < 1000
    assert netext.flow(local_port=answer.local_port)["reason"] == "upstream-failed"


SILENT = """
    connection = socket.create_connection((address, 80), 5)
    connection.settimeout(10)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        connection.sendall(b"hello")
        answer = connection.recv(100).decode()
    except OSError as error:
        answer = errno.errorcode.get(error.errno, str(error))
"""


@pytest.mark.parametrize("policy, answer", (("open", "hello"), ("closed", "ECONNRESET")))
def test_the_fail_policy_answers_for_a_proxy_that_dies_before_the_first_byte(
        netext, proxy, client, server, policy, answer):
    proxy("80 peek 5000 wait", fail_policy=policy)
    process = client.start_python(SILENT, address=Lab.SERVER)
    client.wait_for_ready(process)
    netext.restart_extension("scripted-proxy")
    process.stdin.write("go\n")
    process.stdin.flush()
    assert client.python_answer(process, 10) == answer


def test_a_claim_that_comes_too_late_ends_nothing_else(netext, proxy, client, server):
    """The fail policy has answered, and the flow is on its way without the proxy."""
    proxy("80 peek 5 late", "81 splice", fail_policy="open", verdict_timeout=300)
    pid = netext.extension_pid("scripted-proxy")
    assert client.tcp(80, Lab.SERVER, "-n", "20", "-i", "100", "-t", "3000").error is None
    assert netext.extension_pid("scripted-proxy") == pid
    assert netext.session("scripted-proxy")["state"] == "running"
