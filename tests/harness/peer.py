# SPDX-License-Identifier: Apache-2.0
"""A server whose manners are a function of the scenario: serve(connection), in a thread for each."""
import contextlib
import socket
import struct
import threading

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() is a reset


def digest_of(connection):
    """Reads to the end; what came, as (bytes, SHA-256)."""
    import hashlib
    digest, size = hashlib.sha256(), 0
    while received := connection.recv(1 << 20):
        digest.update(received)
        size += len(received)
    return size, digest.hexdigest()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


class Peer:
    """Listens on `port` of a namespace. `results` holds what serve() returned, or its error's name."""

    def __init__(self, namespace, port, serve):
        self.results = []
        self._serve, self._open = serve, True
        self._listener = namespace.socket(socket.AF_INET6, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("::", port))
        self._listener.listen(4096)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while self._open:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        connection.settimeout(30)
        with contextlib.closing(connection):
            try:
                self.results.append(self._serve(connection))
            except OSError as error:
                self.results.append(type(error).__name__)

    def close(self):
        self._open = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
