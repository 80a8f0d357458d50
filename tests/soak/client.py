# SPDX-License-Identifier: Apache-2.0
"""The soak's clients: some threads that have one exchange after the other with the server, and a
line of JSON for each. Reads from stdin "go" and
"pause", which it confirms when all is said, and ends when that is closed.

    client.py SERVER THREADS SEED
"""
import json
import random
import socket
import sys
import threading
import time

import content
import stream
import ways

lock = threading.Lock()
going, ending = threading.Event(), threading.Event()
numbers = iter(range(1, 1 << 60))
busy = set()


class Exchange:
    """One conversation: what it is, how far it came."""

    def __init__(self, kind, way, port, seed):
        self.kind, self.way, self.port = kind, way, port
        self.tally = stream.Tally()
        with lock:
            self.number = seed << 32 | next(numbers)
        self.began, self.connected, self.since = time.monotonic(), None, None

    def tell(self, error):
        print_line(at="client", exchange=self.number, kind=self.kind, way=self.way, began=self.began,
                   connected=self.connected, since=self.since, ended=time.monotonic(),
                   said=self.tally.said, heard=self.tally.heard, error=error and str(error),
                   grave=bool(error and getattr(error, "grave", False)))

    def connect(self, server):
        try:
            connection = socket.create_connection((server, self.port), content.HANG_S)
        except OSError as error:
            raise stream.broken_by("connect", error) from error
        self.connected = time.monotonic()
        return connection


def print_line(**what):
    with lock:
        print(json.dumps(what), flush=True)


def header(exchange, size_out, size_in, rate, mode, flags=0):
    return content.HEADER.pack(content.MAGIC, exchange.number, size_out, size_in, rate, mode, flags)


def send_header(connection, *fields, **more):
    try:
        connection.sendall(header(*fields, **more))
    except OSError as error:
        raise stream.broken_by("send", error) from error


def end_of_ours(connection):
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        raise stream.broken_by("shutdown", error) from error


def hear_all(exchange, connection, size_in):
    stream.hear(connection, content.inbound(exchange.number), size_in, exchange.tally)
    stream.hear_end(connection)


# The kinds: each is given the exchange, a connection, and a source of chance.

def short(exchange, connection, chance):
    """A question, an answer; the client or the server closes first."""
    size_out, size_in = chance.randint(1, 3000), chance.randint(1, 30000)
    send_header(connection, exchange, size_out, size_in, 0, content.AFTER_ALL)
    stream.say(connection, exchange.number, size_out, 0, exchange.tally)
    stream.hear(connection, content.inbound(exchange.number), size_in, exchange.tally)
    if chance.random() < 0.5:
        stream.hear_end(connection)


def word(exchange, connection, chance):
    """Says all and leaves at once."""
    size_out = chance.randint(1, 200000)
    send_header(connection, exchange, size_out, 0, 0, content.AFTER_END)
    stream.say(connection, exchange.number, size_out, 0, exchange.tally)


def late(exchange, connection, chance):
    """Has said all, and still hears the answer."""
    size_out, size_in = chance.randint(1, 100000), chance.randint(1, 300000)
    send_header(connection, exchange, size_out, size_in, 0, content.AFTER_END)
    stream.say(connection, exchange.number, size_out, 0, exchange.tally)
    end_of_ours(connection)
    hear_all(exchange, connection, size_in)


def early(exchange, connection, chance):
    """The server has said all, and still hears the client."""
    size_out, size_in = chance.randint(1, 300000), chance.randint(1, 100000)
    send_header(connection, exchange, size_out, size_in, 0, content.AT_ONCE)
    hear_all(exchange, connection, size_in)
    stream.say(connection, exchange.number, size_out, 0, exchange.tally)


def long(exchange, connection, chance):
    """Both say much at the same time, for some seconds."""
    rate, failures = chance.choice((500000, 1000000, 2000000)), []
    size_out, size_in = (int(rate * chance.uniform(0.5, 8)) for _ in range(2))
    send_header(connection, exchange, size_out, size_in, rate, content.AT_ONCE)

    def speak():
        try:
            stream.say(connection, exchange.number, size_out, rate, exchange.tally)
            end_of_ours(connection)
        except stream.Broken as broken:
            failures.append(broken)

    speaker = threading.Thread(target=speak)
    speaker.start()
    stream.hear_while_speaking(speaker, failures, lambda: hear_all(exchange, connection, size_in))


def client_resets(exchange, connection, chance):
    """Resets in the middle: the server must see that, and no end."""
    size_out = chance.randint(1000, 300000)
    cut = chance.randint(1, size_out - 1)
    send_header(connection, exchange, size_out, 0, 0, content.AFTER_END, content.CLIENT_RESETS)
    stream.say(connection, exchange.number, cut, 0, exchange.tally)
    content.reset(connection)


def server_resets(exchange, connection, chance):
    """The server resets after a part of its answer: that is what the client must see."""
    size_out, size_in = chance.randint(1, 3000), chance.randint(1, 300000)
    send_header(connection, exchange, size_out, size_in, 0, content.AFTER_ALL, content.SERVER_RESETS)
    stream.say(connection, exchange.number, size_out, 0, exchange.tally)
    try:
        stream.hear(connection, content.inbound(exchange.number), size_in + 1, exchange.tally)
    except stream.Broken as broken:
        if str(broken) != "receive: ECONNRESET":
            raise


def closed(exchange, server, _chance):
    """Nobody listens there, and the client is told so: at once, or when it has said a word."""
    try:
        with exchange.connect(server) as connection:
            connection.sendall(b"is anybody there? is anybody there?")
            received = connection.recv(1)
    except stream.Broken as broken:
        if str(broken) not in ("connect: ECONNREFUSED", "connect: ECONNRESET"):  # opened, and reset at once
            raise
        return
    except OSError as error:
        if stream.name_of(error) not in ("ECONNRESET", "EPIPE"):
            raise stream.broken_by("receive", error) from error
        return
    raise stream.Broken("an answer from nobody" if received else "clean end where nobody listens", grave=True)


def refused(exchange, server, _chance):
    try:
        exchange.connect(server).close()
    except stream.Broken as broken:
        if str(broken) == "connect: ECONNREFUSED":
            return
        raise
    raise stream.Broken("what is to be refused passed")


def datagrams(exchange, server, chance):
    """Questions and answers with sequence numbers; one that is lost is told, and asked again."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((server, exchange.port))
        sock.settimeout(4)
        for sequence in range(chance.randint(1, 12)):
            ask(exchange, sock, sequence, chance)
            time.sleep(chance.uniform(0, 0.2))


def ask(exchange, sock, sequence, chance):
    size_out, size_in = chance.randint(1, 1300), chance.randint(1, 1300)
    question = (content.DATAGRAM.pack(content.MAGIC, exchange.number, sequence, size_in) +
                content.piece(exchange.number, sequence * 1500, size_out))
    for _ in range(5):
        exchange.since = time.monotonic()
        try:
            sock.send(question)
            exchange.tally.said += size_out
            answer = sock.recv(65536)
            while content.DATAGRAM.unpack_from(answer)[2] < sequence:  # of one that was asked twice
                answer = sock.recv(65536)
        except OSError as error:
            exchange.tell(stream.Broken(f"a datagram was lost: {stream.name_of(error)}"))
            time.sleep(0.1)
            continue
        body = content.piece(content.inbound(exchange.number), sequence * 1500, size_in)
        if answer != question[:content.DATAGRAM.size] + bytes(body):
            raise stream.Broken("wrong datagram", grave=True)
        exchange.tally.heard += size_in
        return
    raise stream.Broken("five datagrams in a row were lost", grave=True)


STREAMS = {short: 8, word: 3, late: 3, early: 3, long: 5, client_resets: 2, server_resets: 2}
WAYS = {datagrams: ways.DATAGRAM_WAYS, closed: ways.RESET_WAYS,
        client_resets: ways.RESET_WAYS, server_resets: ways.RESET_WAYS}
OTHERS = {closed: 2, refused: 1, datagrams: 4}


def have_exchange(server, chance, seed):
    what, = chance.choices(list(STREAMS | OTHERS), (STREAMS | OTHERS).values())
    way = chance.choice(WAYS.get(what, list(ways.PORTS)))
    port = ways.CLOSED_PORTS[way] if what is closed else ways.PORTS[way]
    if what is refused:
        way, port = "refused", ways.REFUSED_PORT
    exchange, error = Exchange(what.__name__, way, port, seed), None
    try:
        if what in OTHERS:
            what(exchange, server, chance)
        else:
            in_stream(exchange, server, chance, what)
    except stream.Broken as broken:
        error = broken
    exchange.tell(error)


def in_stream(exchange, server, chance, what):
    connection = exchange.connect(server)
    try:
        what(exchange, connection, chance)
    except stream.Broken:
        if connection.fileno() >= 0:
            content.reset(connection)
        raise
    connection.close()


def work(server, seed, number):
    chance = random.Random(seed * 1000 + number)
    while not ending.is_set():
        going.wait()
        if not ending.is_set():
            busy.add(number)
            have_exchange(server, chance, seed)
            busy.discard(number)
            time.sleep(chance.uniform(0, 0.3))


def main(server, n_threads, seed):
    workers = [threading.Thread(target=work, args=(server, seed, number)) for number in range(n_threads)]
    for worker in workers:
        worker.start()
    for line in sys.stdin:
        if line.strip() == "go":
            going.set()
            continue
        going.clear()
        time.sleep(0.5)
        while busy:
            time.sleep(0.1)
        print_line(at="quiet")
    ending.set()
    going.set()
    for worker in workers:
        worker.join()


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
