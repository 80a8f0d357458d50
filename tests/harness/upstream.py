# SPDX-License-Identifier: Apache-2.0
"""Real proxies in the lab's server namespace: what a relay sends flows through."""
import pathlib
import socket

from .lab import Lab
from .wait import wait_until


class Upstream:
    """A program that listens on `port`; a context that ends it by pid."""

    kind = None  # the word for it in a relay's rules

    def __init__(self, lab, port, folder, credentials=None):
        self.lab, self.port, self.credentials = lab, port, credentials
        self.folder = pathlib.Path(folder)
        self.log = self.folder / f"{self.kind}-{port}.log"
        self.process = None

    def __enter__(self):
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = self.lab.server.start(self.command_line(), stdout=log, stderr=log)
        wait_until(self._answers, lambda: f"{self.kind} did not listen: {self.said()}")
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        if self.process:
            self.lab.server.stop(self.process)
            self.process = None

    def _answers(self):
        with self.lab.server.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            return probe.connect_ex((Lab.SERVER, self.port)) == 0

    def said(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def line(self, name, extra=""):
        """Its line in a relay's rules."""
        return f"upstream {name} {self.kind} {Lab.SERVER}:{self.port} {extra}"

    def command_line(self):
        raise NotImplementedError

    def reached(self, port, address=Lab.SERVER):
        """How often it was asked for this destination."""
        raise NotImplementedError


class Microsocks(Upstream):
    """SOCKS5, with or without user and password."""

    kind = "socks5"

    def command_line(self):
        login = ["-u", self.credentials[0], "-P", self.credentials[1]] if self.credentials else []
        return ["microsocks", "-i", "0.0.0.0", "-p", self.port, *login]

    def reached(self, port, address=Lab.SERVER):
        return self.said().count(f"connected to {address}:{port}\n")


class Tinyproxy(Upstream):
    """The method CONNECT of HTTP, with or without user and password."""

    kind = "connect"

    def command_line(self):
        path = self.folder / f"tinyproxy-{self.port}.conf"
        login = f"BasicAuth {self.credentials[0]} {self.credentials[1]}\n" if self.credentials else ""
        path.write_text(f"Port {self.port}\nTimeout 60\nMaxClients 100\nLogLevel Connect\n{login}", "utf-8")
        return ["tinyproxy", "-d", "-c", path]

    def reached(self, port, address=Lab.SERVER):
        return self.said().count(f"CONNECT {address}:{port} HTTP/1.1\n")


KINDS = {kind.kind: kind for kind in (Microsocks, Tinyproxy)}
# What an upstream of few words answers to each thing it is asked.
ANSWERS = {
    "socks5": [b"\x05\x00", b"\x05\x00\x00\x01\0\0\0\0\0\0"],
    "connect": [b"HTTP/1.1 200 OK\r\nVia: somebody\r\n\r\n"],
}


def shake_hands(connection, kind, behind=b""):
    """The upstream's part of a handshake; `behind` is in one segment with its last answer."""
    *first, last = ANSWERS[kind]
    for answer in first:
        connection.recv(1000)
        connection.sendall(answer)
    connection.recv(1000)
    connection.sendall(last + behind)
