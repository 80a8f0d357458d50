# SPDX-License-Identifier: Apache-2.0
"""Filters that look at bytes: nothing passes before they let it, nothing is lost or changed."""
import hashlib
import random

import pytest

from harness.lab import Lab
from harness.peer import digest_of
from harness.wait import wait_until

ANSWER = random.Random(1).randbytes(1 << 20)
EXCHANGE = """
    piece = __import__("random").Random(2).randbytes(1 << 20)
    connection = socket.create_connection(("198.18.0.2", 80), 20)
    heard, sent = hashlib.sha256(), hashlib.sha256()

    def say():
        for _ in range(8):
            connection.sendall(piece)
            sent.update(piece)
        connection.shutdown(socket.SHUT_WR)

    speaker = threading.Thread(target=say)
    speaker.start()
    while received := connection.recv(1 << 20):
        heard.update(received)
    speaker.join(30)
    answer = sent.hexdigest(), heard.hexdigest()
"""


def said_by(netext, name="inspecting"):
    return next(s.get("message", "") for s in netext.ctl("session", "list") if s["name"] == name)


def wait_for_words(netext, words, name="inspecting", timeout=5):
    wait_until(lambda: said_by(netext, name) == words, f"the filter did not say {words!r}", timeout)


def sum_of(word, times):
    return sum(word) * times


@pytest.mark.kernel
def test_a_filter_sees_both_directions_and_changes_nothing(netext, inspecting, client, server):
    inspecting("80 watch")
    for address, n_words in ((Lab.SERVER, 4), (Lab.SERVER6, 6)):
        answer = client.tcp(80, address, "-n", n_words, "-i", "5")
        assert (answer.error, answer.answers) == (None, n_words)
        flow = netext.flow(local_port=answer.local_port)
        assert (flow["verdict"], flow["decided_by"]) == ("allow", "inspecting")
        n_bytes = n_words * len(b"hello")
        wait_for_words(netext, f"seen {n_bytes} out, {n_bytes} in, sum {sum_of(b'hello', 2 * n_words)}")


def test_a_direction_may_pass_unseen(netext, inspecting, client, server):
    inspecting("80 outbound")
    assert client.tcp(80, Lab.SERVER, "-n", "2", "-i", "5").answers == 2
    wait_for_words(netext, f"seen 10 out, 0 in, sum {sum_of(b'hello', 2)}")


def test_a_filter_that_has_seen_enough_is_not_asked_again(netext, inspecting, client, server):
    inspecting("80 first 5")
    answer = client.tcp(80, Lab.SERVER, "-n", "4", "-i", "5")
    assert (answer.error, answer.answers) == (None, 4)
    wait_for_words(netext, f"seen 5 out, 0 in, sum {sum_of(b'hello', 1)}")


def test_a_word_that_is_refused_never_reaches_the_server(netext, inspecting, client, server):
    inspecting("80 refuse hello")
    answer = client.tcp(80, Lab.SERVER, "-t", "2000")
    assert answer.error == "ECONNRESET" and answer.ms < 1000
    assert server.seen == []


def test_what_is_held_does_not_reach_the_server(netext, inspecting, client, server):
    inspecting("80 hold")
    assert client.tcp(80, Lab.SERVER, "-t", "500").error == "ETIMEDOUT"
    assert server.seen == []


def test_a_filter_may_answer_later(netext, inspecting, client, server):
    inspecting("80 late 300")
    answer = client.tcp(80, Lab.SERVER, "-n", "2", "-i", "5")
    assert answer.error is None and answer.answers == 2 and answer.ms >= 300


def test_a_filter_may_make_up_its_mind_before_the_first_byte(netext, inspecting, proxy, client, server, serve):
    """The proxy behind it takes its time."""
    inspecting("80 early-drop 50", "81 early-allow 50")
    proxy("* pause 1000")
    serve(81)
    assert client.tcp(80, Lab.SERVER, "-t", "5000").error == "ECONNRESET"
    assert server.seen == []
    answer = client.tcp(81, Lab.SERVER, "-t", "5000")
    assert answer.error is None and answer.ms < 3000
    wait_for_words(netext, "seen 0 out, 0 in, sum 0")


@pytest.mark.parametrize("protocol", ("tcp", "udp-connected"))
def test_a_filter_may_let_bytes_pass_before_the_first_one(netext, inspecting, proxy, client, server, protocol):
    inspecting("80 early-pass 50")
    proxy("80 pause 1000")
    answer = client.talk(protocol, Lab.SERVER, 80, "-n", "3", "-i", "5", "-t", "5000")
    assert (answer.error, answer.answers) == (None, 3)
    wait_for_words(netext, f"seen 10 out, 15 in, sum {sum_of(b'hello', 5)}", timeout=15)


@pytest.mark.parametrize("policy, error", (("open", None), ("closed", "ECONNRESET")))
def test_no_filter_is_shown_what_an_earlier_one_asked_for(netext, inspecting, proxy, client, server, policy, error):
    """It would not know what to say of it."""
    inspecting("80 watch", fail_policy=policy)
    proxy("80 wait")
    process = client.start("tcp", Lab.SERVER, 80, "-t", "10000")
    wait_until(lambda: netext.flows(remote_port=80, state="held"), "the flow was not held")
    netext.restart_extension("inspecting")
    proxy.rewrite("80 splice")
    assert client.answer(process).error == error


def test_filters_see_the_same_bytes_in_their_order(netext, inspecting, client, server):
    for order, name in enumerate(("first", "second", "third")):
        inspecting("80 watch", name=name, order=order)
    answer = client.tcp(80, Lab.SERVER, "-n", "3", "-i", "5")
    assert (answer.error, answer.answers) == (None, 3)
    for name in ("first", "second", "third"):
        wait_for_words(netext, f"seen 15 out, 15 in, sum {sum_of(b'hello', 6)}", name)


def test_one_filter_that_refuses_ends_it_for_all(netext, inspecting, client, server):
    inspecting("80 watch", name="first", order=1)
    inspecting("80 refuse hello", name="second", order=2)
    assert client.tcp(80, Lab.SERVER, "-t", "2000").error == "ECONNRESET"
    assert server.seen == []


@pytest.mark.kernel
@pytest.mark.parametrize("how", ("splice", "claim"))
def test_a_flow_can_be_inspected_and_claimed(netext, inspecting, proxy, client, server, how):
    inspecting("80 watch")
    proxy(f"80 {how}")
    answer = client.tcp(80, Lab.SERVER, "-n", "3", "-i", "5")
    assert (answer.error, answer.answers) == (None, 3)
    assert netext.flow(local_port=answer.local_port)["verdict"] == "claim"
    wait_for_words(netext, f"seen 15 out, 15 in, sum {sum_of(b'hello', 6)}")


def test_connect_ends_as_the_destination_says(netext, inspecting, client):
    inspecting("81 watch")
    answer = client.tcp(81, Lab.SERVER, "-t", "2000")
    assert answer.error == "ECONNREFUSED" and answer.ms < 500


@pytest.mark.parametrize("policy, error", (("open", None), ("closed", "ECONNRESET")))
def test_the_fail_policy_answers_for_a_filter_that_dies(netext, inspecting, client, server, policy, error):
    inspecting("80 crash", fail_policy=policy)
    answer = client.tcp(80, Lab.SERVER, "-t", "2000")
    assert answer.error == error and answer.ms < 1500


@pytest.mark.kernel
@pytest.mark.parametrize("protocol", ("udp", "udp-connected"))
def test_datagrams_are_seen_one_by_one(netext, inspecting, client, server, protocol):
    inspecting("80 watch")
    answer = client.talk(protocol, Lab.SERVER, 80, "-n", "3", "-i", "5")
    assert (answer.error, answer.answers) == (None, 3)
    flow = netext.flow(local_port=answer.local_port, protocol="udp")
    assert (flow["verdict"], flow["decided_by"]) == ("allow", "inspecting")
    wait_for_words(netext, f"seen 15 out, 15 in, sum {sum_of(b'hello', 6)}", timeout=15)


def test_an_empty_datagram_is_seen_and_passes(netext, inspecting, client, server):
    inspecting("80 watch")
    assert client.python("""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(3)
            asker.connect((server, 80))
            for words in (b"", b"hello"):
                asker.send(words)
            answer = [asker.recv(100).decode() for _ in range(2)]
    """, server=Lab.SERVER) == ["", "hello"]


def test_a_datagram_that_is_refused_never_reaches_the_server(netext, inspecting, client, server):
    inspecting("80 refuse hello")
    assert client.talk("udp", Lab.SERVER, 80, "-t", "500").error == "ETIMEDOUT"
    assert server.seen == []


def test_datagrams_can_be_inspected_and_claimed(netext, inspecting, proxy, client, server):
    inspecting("80 watch")
    proxy("80 claim")
    answer = client.talk("udp-connected", Lab.SERVER, 80, "-n", "3", "-i", "5")
    assert (answer.error, answer.answers) == (None, 3)
    assert netext.flow(local_port=answer.local_port, protocol="udp")["verdict"] == "claim"


@pytest.mark.parametrize("how", ("watch", "first 100000"))
def test_megabytes_arrive_unchanged_both_ways(netext, inspecting, client, peer, how):
    """Also where the filter has seen enough in the middle, and the bytes go on unseen."""
    inspecting(f"80 {how}", name="one")
    inspecting("80 watch", name="two")
    server = peer(80, lambda connection: ([connection.sendall(ANSWER) for _ in range(8)], digest_of(connection))[1])
    sent, heard = client.python(EXCHANGE)
    wait_until(lambda: server.results, "the server did not see the end")
    assert server.results[0] == (8 << 20, sent)
    assert heard == hashlib.sha256(ANSWER * 8).hexdigest()
    n_inbound = 8 << 20
    wait_until(lambda: said_by(netext, "two").startswith(f"seen {8 << 20} out, {n_inbound} in"), said_by(netext, "two"))


def test_a_filter_sees_more_at_once_than_a_message_carries(netext, inspecting, client, peer):
    """And not more than the library says: 32 KiB go with a message, 512 KiB lie in memory that both share."""
    inspecting("80 measure")
    peer(80, digest_of)
    client.python("""
        connection = socket.create_connection(("198.18.0.2", 80), 20)
        connection.sendall(bytes(16 << 20))
        connection.shutdown(socket.SHUT_WR)
        answer = len(connection.recv(1))
    """)
    wait_until(lambda: said_by(netext).endswith("at once"), lambda: said_by(netext))
    assert 32 << 10 < int(said_by(netext).split()[0]) <= 512 << 10


def test_who_is_not_listened_to_has_to_wait(netext, inspecting, client, peer):
    """A filter that holds everything holds no more than a window: the program's send() blocks (C2)."""
    inspecting("80 hold")
    peer(80, lambda connection: connection.recv(1))
    sent = client.python("""
        connection = socket.create_connection(("198.18.0.2", 80), 5)
        connection.setblocking(False)
        answer, deadline = 0, time.monotonic() + 2
        while time.monotonic() < deadline:
            try:
                answer += connection.send(bytes(1 << 16))
            except BlockingIOError:
                time.sleep(0.01)
    """)
    assert 0 < sent < 16 << 20
    assert netext.status()["flows_kept"] >= 1


def test_a_filter_that_has_seen_enough_waits_for_neither_end(netext, inspecting, client, peer):
    """Who is answered before it has been heard may not read until it is heard itself."""
    inspecting("80 first 5")
    answer = random.Random(1).randbytes(8 << 20)
    server = peer(80, lambda connection: (connection.sendall(answer), digest_of(connection))[1])
    heard = client.python("""
    connection = socket.create_connection(("198.18.0.2", 80), 10)

    def say():
        connection.sendall(bytes(8 << 20))
        connection.shutdown(socket.SHUT_WR)

    threading.Thread(target=say).start()
    time.sleep(0.3)
    answer = 0
    while received := connection.recv(1 << 20):
        answer += len(received)
    """)
    assert heard == len(answer)
    wait_until(lambda: server.results, "the server did not hear all")
    assert server.results[0][0] == 8 << 20
