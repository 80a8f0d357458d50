# SPDX-License-Identifier: Apache-2.0
"""A server among the instance's programs, and a visitor from the other host."""
import json
import socket
import textwrap

from .client import PYTHON
from .lab import Lab
from .namespace import wait_for_line

ECHO = """
    while received := connection.recv(65536):
        connection.sendall(received)
        if received == b"bye":
            break
"""
# Says who came, and what it made of them.
SERVER = """
import hashlib, json, random, socket, struct, sys, threading

def digest_of(connection):
    digest, size = hashlib.sha256(), 0
    while received := connection.recv(1 << 20):
        digest.update(received)
        size += len(received)
    return [size, digest.hexdigest()]

def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

def serve(connection):
MANNERS
def one(connection, peer):
    print("peer", *peer[:2], *connection.getsockname()[:2], flush=True)
    try:
        result = serve(connection)
    except OSError as error:
        result = type(error).__name__
    connection.close()
    print("result", json.dumps(result), flush=True)

listener = socket.socket(socket.AF_INET6)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
if sys.argv[2:]:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[2].encode())
listener.bind(("::", int(sys.argv[1])))
listener.listen(1000)
print("ready", flush=True)
while True:
    threading.Thread(target=one, args=listener.accept()).start()
"""


class Service:
    """On all addresses of the lab's client; `manners` is what serve(connection) does with each that comes."""

    def __init__(self, lab, port, manners=ECHO, interface=None, **kwargs):
        program = SERVER.replace("MANNERS", textwrap.indent(textwrap.dedent(manners), "    "))
        self.process = lab.client.start([PYTHON, "-I", "-c", program, port, *([interface] if interface else [])],
                                        ready="ready", **kwargs)
        self.pid = self.process.pid

    def peer(self):
        """The next that came: its address and port, and the server's, as the server sees them."""
        _, address, port, own_address, own_port = wait_for_line(self.process, "peer", 5).split()
        return (address.removeprefix("::ffff:"), int(port)), (own_address.removeprefix("::ffff:"), int(own_port))

    def result(self):
        """What serve() made of the next that left, or its error's name."""
        return json.loads(wait_for_line(self.process, "result", 20).partition(" ")[2])


LISTENER = """
import socket, sys

listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
PREPARE
print("ready", *listener.getsockname()[:2], flush=True)
while True:
    words, peer = listener.recvfrom(65536)
    print("heard", len(words), *peer[:2], flush=True)
    ANSWER
"""


class Listener:
    """A server of datagrams on all addresses of the lab's client; what it says to words from peer is `answer`."""

    def __init__(self, lab, port, answer="listener.sendto(words, peer)", prepare=None, **kwargs):
        program = LISTENER.replace("PREPARE", prepare or f"listener.bind(('::', {port}))").replace("ANSWER", answer)
        self.process = lab.client.start([PYTHON, "-I", "-c", program], **kwargs)
        self.port = int(wait_for_line(self.process, "ready", 5).split()[2])
        self.pid = self.process.pid

    def heard(self):
        """The next that came: its size, and who sent it, as the server sees that."""
        _, size, address, port = wait_for_line(self.process, "heard", 5).split()
        return int(size), (address.removeprefix("::ffff:"), int(port))


class Caller:
    """Sends a datagram from the lab's server: what it heard, or its error's name."""

    def __init__(self, lab):
        self.lab = lab
        self.local_port = None

    def connect(self, port, address=Lab.CLIENT, timeout=3, local_port=0):
        """A socket of this process that lives there."""
        caller = self.lab.server.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        caller.settimeout(timeout)
        caller.bind(("", local_port))
        caller.connect((address, port))
        self.local_port = caller.getsockname()[1]
        return caller

    def __call__(self, port, address=Lab.CLIENT, words=b"hello", **kwargs):
        try:
            with self.connect(port, address, **kwargs) as caller:
                caller.send(words)
                return caller.recv(65536)
        except OSError as error:
            return type(error).__name__


class Visitor:
    """Says hello from the lab's server: what it heard, or its error's name."""

    def __init__(self, lab):
        self.lab = lab
        self.local_port = None

    def connect(self, port, address=Lab.CLIENT, timeout=3, local_port=0):
        """A connection of this process that lives there."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        visitor = self.lab.server.socket(family, socket.SOCK_STREAM)
        try:
            visitor.settimeout(timeout)
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            visitor.bind(("", local_port))
            visitor.connect((address, port))
            self.local_port = visitor.getsockname()[1]
        except OSError:
            visitor.close()
            raise
        return visitor

    def __call__(self, port, address=Lab.CLIENT, words=b"hello", **kwargs):
        try:
            with self.connect(port, address, **kwargs) as visitor:
                visitor.sendall(words)
                heard = visitor.recv(100)
                if words == b"bye":
                    assert visitor.recv(100) == b""
                return heard
        except OSError as error:
            return type(error).__name__
