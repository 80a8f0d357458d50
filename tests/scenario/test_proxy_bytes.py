# SPDX-License-Identifier: Apache-2.0
"""What a program and its server say through a proxy arrives, all of it, and so do their ends."""
import hashlib
import random

import pytest

from harness.lab import Lab
from harness.peer import digest_of, reset
from harness.wait import wait_until

WAYS = ("splice", "claim", "inspected")
SIZE = 20 << 20
ANSWER = random.Random(1).randbytes(1 << 20)


@pytest.fixture
def carrying(inspecting, proxy):
    """carrying("claim") starts a proxy that does so for port 80; "inspected": behind a filter that sees the bytes."""

    def start(how):
        if how == "inspected":
            inspecting("80 watch")
        proxy("80 claim" if how == "inspected" else f"80 {how}")

    return start

EXCHANGE = """
    import random
    piece = random.Random(2).randbytes(1 << 20)
    connection = socket.create_connection((address, 80), 20)
    heard, sent = hashlib.sha256(), hashlib.sha256()

    def listen():
        while received := connection.recv(1 << 20):
            heard.update(received)

    listener = threading.Thread(target=listen)
    listener.start()
    for _ in range(20):
        connection.sendall(piece)
        sent.update(piece)
    connection.shutdown(socket.SHUT_WR)
    listener.join(30)
    answer = sent.hexdigest(), heard.hexdigest()
"""


def talk_and_listen(connection):
    for _ in range(SIZE // len(ANSWER)):
        connection.sendall(ANSWER)
    return digest_of(connection)


@pytest.mark.parametrize("how", WAYS)
def test_megabytes_arrive_unchanged_both_ways(netext, carrying, client, peer, how):
    carrying(how)
    for number, address in enumerate((Lab.SERVER, Lab.SERVER6)):
        server = peer(80, talk_and_listen) if number == 0 else server
        sent, heard = client.python(EXCHANGE, address=address)
        assert heard == hashlib.sha256(ANSWER * (SIZE // len(ANSWER))).hexdigest()
        wait_until(lambda: len(server.results) == number + 1, "the server did not see the end")
        assert server.results[number] == (SIZE, sent)


@pytest.mark.parametrize("how", WAYS)
def test_a_client_that_has_said_all_still_hears_the_answer(netext, carrying, client, peer, how):
    def answer_afterwards(connection):
        question = connection.recv(100), connection.recv(100)
        connection.sendall(b"late answer")
        return question

    carrying(how)
    server = peer(80, answer_afterwards)
    heard = client.python("""
        connection = socket.create_connection((address, 80), 5)
        connection.sendall(b"question")
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(100).decode(), connection.recv(100).decode()
    """, address=Lab.SERVER)
    assert heard == ["late answer", ""]
    assert server.results == [(b"question", b"")]


@pytest.mark.parametrize("how", WAYS)
def test_a_server_that_has_said_all_still_hears_the_client(netext, carrying, client, peer, how):
    def greet_and_listen(connection):
        connection.sendall(b"greeting")
        connection.shutdown(1)
        return digest_of(connection)[0]

    carrying(how)
    server = peer(80, greet_and_listen)
    heard = client.python("""
        connection = socket.create_connection((address, 80), 5)
        answer = connection.recv(100).decode(), connection.recv(100).decode()
        connection.sendall(b"x" * 300000)
        connection.close()
    """, address=Lab.SERVER)
    assert heard == ["greeting", ""]
    wait_until(lambda: server.results == [300000], lambda: f"the server heard {server.results}")


@pytest.mark.parametrize("how", WAYS)
def test_a_reset_of_the_server_is_a_reset_for_the_client(netext, carrying, client, peer, how):
    def hear_and_reset(connection):
        connection.recv(100)
        reset(connection)

    carrying(how)
    peer(80, hear_and_reset)
    error = client.python("""
        connection = socket.create_connection((address, 80), 5)
        connection.sendall(b"hello")
        try:
            answer = connection.recv(100).decode()
        except OSError as error:
            answer = errno.errorcode[error.errno]
    """, address=Lab.SERVER)
    assert error == "ECONNRESET"


@pytest.mark.parametrize("how", WAYS)
def test_a_reset_of_the_client_is_a_reset_for_the_server(netext, carrying, client, peer, how):
    carrying(how)
    server = peer(80, lambda connection: (connection.sendall(b"!"), connection.recv(5)))
    client.python("""
        connection = socket.create_connection((address, 80), 5)
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        answer = None
    """, address=Lab.SERVER)
    wait_until(lambda: server.results == ["ConnectionResetError"], lambda: f"the server saw {server.results}")


@pytest.mark.parametrize("how", WAYS)
def test_who_says_a_word_and_leaves_at_once_is_heard(netext, carrying, client, peer, how):
    """Accepting races the end of the program's socket, a thousand times."""
    carrying(how)
    server = peer(80, lambda connection: digest_of(connection)[0])
    client.python("""
        for _ in range(1000):
            connection = socket.create_connection((address, 80), 5)
            connection.sendall(b"x" * 100)
            connection.close()
        answer = None
    """, address=Lab.SERVER)
    wait_until(lambda: len(server.results) == 1000, lambda: f"{len(server.results)} of 1000 arrived", 30)
    assert set(server.results) == {100}
