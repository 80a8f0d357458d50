# SPDX-License-Identifier: Apache-2.0
"""One direction of a connection: says a stream at a pace, or hears one and checks each byte."""
import errno
import time

import content


class Broken(Exception):
    """What went wrong, in words that the ledger counts; `grave`: no fault explains it."""

    def __init__(self, words, grave=False):
        super().__init__(words)
        self.grave = grave


def name_of(error):
    return "hang" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno, str(error))


def broken_by(what, error):
    return Broken(f"{what}: {name_of(error)}", grave=isinstance(error, TimeoutError))


class Tally:
    """How far both directions of an exchange have come."""

    def __init__(self):
        self.said = self.heard = 0


def say(connection, stream, size, rate, tally):
    started = time.monotonic()
    while tally.said < size:
        part = content.piece(stream, tally.said, min(content.PIECE, size - tally.said))
        try:
            connection.sendall(part)
        except OSError as error:
            raise broken_by("send", error) from error
        tally.said += len(part)
        if rate:
            time.sleep(max(0, started + tally.said / rate - time.monotonic()))


def hear(connection, stream, size, tally):
    """Until `size` bytes are there."""
    while tally.heard < size:
        received = receive(connection, min(content.PIECE, size - tally.heard))
        if not received:
            raise Broken(f"clean end after {tally.heard} of {size} bytes", grave=True)
        wrong = content.wrong_at(stream, tally.heard, received)
        if wrong is not None:
            raise Broken(f"wrong byte at {wrong}", grave=True)
        tally.heard += len(received)


def hear_while_speaking(speaker, failures, hear_all):
    """The kernel tells a reset once: where send() was told, recv() sees an end that is none."""
    try:
        hear_all()
    except Broken:
        speaker.join()
        if any(str(failure).endswith("ECONNRESET") for failure in failures):
            raise failures[0] from None
        raise
    finally:
        speaker.join()
    if failures:
        raise failures[0]


def hear_end(connection):
    if receive(connection, 1):
        raise Broken("bytes after the end", grave=True)


def receive(connection, size):
    try:
        return connection.recv(size)
    except OSError as error:
        raise broken_by("receive", error) from error
