# SPDX-License-Identifier: Apache-2.0
"""A server that sends back what it gets, TCP and UDP, IPv4 and IPv6, and remembers who came."""
import selectors
import socket
import threading


SEEN_MAX = 100_000  # a soak has millions, and asks for none of them


class Echo:
    """Listens on `port` of a namespace; `seen` holds (protocol, client's port, bytes), the last ones at least."""

    def __init__(self, namespace, port):
        self.seen = []
        self._stop, self._wake = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stop, selectors.EVENT_READ)
        for kind, serve in ((socket.SOCK_STREAM, self._accept), (socket.SOCK_DGRAM, self._answer)):
            listener = namespace.socket(socket.AF_INET6, kind)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                listener.listen(4096)
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, serve)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._stop:
                    return
                try:
                    key.data(key.fileobj)
                except OSError:
                    self._forget(key.fileobj)

    def _forget(self, connection):
        if connection.type == socket.SOCK_STREAM and connection.fileno() in self._selector.get_map():
            self._selector.unregister(connection)
            connection.close()

    def _accept(self, listener):
        try:
            connection, _ = listener.accept()
        except OSError:  # the client is gone already
            return
        self._selector.register(connection, selectors.EVENT_READ, self._echo)

    def _echo(self, connection):
        received = connection.recv(65536)
        if not received:
            self._forget(connection)
            return
        self._remember("tcp", connection.getpeername()[1], received)
        connection.sendall(received)

    def _remember(self, *what):
        self.seen.append(what)
        if len(self.seen) > SEEN_MAX:
            del self.seen[:SEEN_MAX // 2]

    def _answer(self, listener):
        received, to, _, peer = listener.recvmsg(65536, socket.CMSG_SPACE(20))
        self._remember("udp", peer[1], received)
        listener.sendmsg([received], to, 0, peer)  # from the address that was asked

    def close(self):
        self._wake.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()
