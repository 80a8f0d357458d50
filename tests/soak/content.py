# SPDX-License-Identifier: Apache-2.0
"""What the soak's programs say: each byte follows from the exchange's number and its place.

A stream is a block of random bytes that repeats, begun at a place that the exchange's number
gives. The block's length is a prime, so that a stream that lost, doubled or swapped any piece of
a size that programs use differs from what is expected at once.
"""
import random
import socket
import struct

LENGTH = 1048573
BLOCK = random.Random(20261125).randbytes(LENGTH) * 2
VIEW = memoryview(BLOCK)
PIECE = 65536

# Magic, exchange, bytes out, bytes in, bytes a second (0: as fast as it goes), mode, flags.
HEADER = struct.Struct("!4sQIIIBB")
MAGIC = b"SOAK"
AT_ONCE, AFTER_ALL, AFTER_END = range(3)  # modes: when the server begins to answer
SERVER_RESETS, CLIENT_RESETS = 1, 2
DATAGRAM = struct.Struct("!4sQIH")  # magic, exchange, sequence, size of the answer

HANG_S = 20  # nobody waits longer for anything
RESET = struct.pack("ii", 1, 0)


def piece(stream, at, size):
    """Bytes [at, at + size) of a stream; size is at most PIECE."""
    start = (stream * 7919 + at) % LENGTH
    return VIEW[start:start + size]


def inbound(exchange):
    """The stream that answers the stream `exchange`."""
    return exchange ^ 0x5555


def wrong_at(stream, at, received):
    """Where `received` is not what belongs at this place: an offset, or None."""
    for start in range(0, len(received), PIECE):
        part = received[start:start + PIECE]
        expected = piece(stream, at + start, len(part))
        if part != expected:
            return at + start + next(i for i, (a, b) in enumerate(zip(part, expected)) if a != b)
    return None


def reset(connection):
    """A close() that says: this is not the end of what there was to say."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()
