#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Traffic to an echo server until stdin ends: traffic.py ADDRESS connect:80 stream:81 datagrams:82 …

connect makes one connection after the other, each of which asks once; stream keeps one, asks all the
time, and wants each byte back; datagrams does the same, and asks again what was not answered.
Prints "ready" when all have been answered once, and in the end, for each, what was
done, the first thing that went wrong, and the longest time from one answer to the next.
"""
import errno
import json
import os
import socket
import sys
import threading
import time

TIMEOUT_S = 10
PAUSE_S = 0.002

stopped = threading.Event()


def ask(connection, question):
    connection.sendall(question)
    answer = b""
    while len(answer) < len(question):
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError(errno.ENODATA, "the stream ended")
        answer += piece
    if answer != question:
        raise ValueError("another answer than was asked for")


def connect(address, port, done):
    while not stopped.is_set():
        with socket.create_connection((address, port), TIMEOUT_S) as connection:
            ask(connection, b"hello")
        done()
        time.sleep(PAUSE_S)


def stream(address, port, done):
    with socket.create_connection((address, port), TIMEOUT_S) as connection:
        while not stopped.is_set():
            ask(connection, os.urandom(2000))
            done()
            time.sleep(PAUSE_S)


def datagrams(address, port, done):
    """One socket: a flow that lasts. A datagram may be lost, so it is asked again, but not for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect((address, port))
        connection.settimeout(0.5)
        while not stopped.is_set():
            question = os.urandom(20)
            for _ in range(TIMEOUT_S * 2):
                connection.send(question)
                try:
                    while connection.recv(100) != question:
                        pass
                    break
                except TimeoutError:
                    continue
            else:
                raise TimeoutError("no answer to a datagram")
            done()
            time.sleep(PAUSE_S)


def datagram(address, port, done):
    """A socket for each question: a flow that begins."""
    while not stopped.is_set():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.connect((address, port))
            connection.settimeout(TIMEOUT_S)
            connection.send(b"hello")
            if connection.recv(100) != b"hello":
                raise ValueError("another answer than was asked for")
        done()
        time.sleep(PAUSE_S)


KINDS = {kind.__name__: kind for kind in (connect, stream, datagrams, datagram)}


class Worker:
    def __init__(self, address, what):
        self.what, self.done, self.error = what, 0, None
        self.longest, self.last = 0, None
        kind, port = what.split(":")
        self.arguments = KINDS[kind], address, int(port)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        kind, address, port = self.arguments
        try:
            kind(address, port, self.count)
        except (OSError, ValueError) as error:
            self.error = f"after {self.done}: {error!r}"

    def count(self):
        now = time.monotonic()
        if self.last:
            self.longest = max(self.longest, now - self.last)
        self.done, self.last = self.done + 1, now


def main():
    workers = [Worker(sys.argv[1], what) for what in sys.argv[2:]]
    for worker in workers:
        worker.thread.start()
    while any(not worker.done and not worker.error for worker in workers):
        time.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.read()
    stopped.set()
    for worker in workers:
        worker.thread.join(2 * TIMEOUT_S)
    print(json.dumps([[{"what": one.what, "done": one.done, "error": one.error, "longest_s": one.longest}
                       for one in workers]]), flush=True)


main()
