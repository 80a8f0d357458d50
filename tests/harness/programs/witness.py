#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A server that sends back what it gets on TCP and UDP, and tells of every packet that reached its host.

    witness.py INTERFACE PORT …

Whatever comes in through that interface for one of the ports and begins something, a first segment or
a datagram, is a line of JSON as the kernel saw it, before any socket: [protocol, the client's port, port,
when, how many packets before it there was no room for], in seconds of the real-time clock.
"""
import contextlib
import json
import selectors
import socket
import struct
import sys

ETH_P_ALL, SOL_PACKET, PACKET_STATISTICS, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 3, 263, 6, 35, 33
OUTGOING = 4  # packet type
ROOM = 1 << 26
SYN, ACK = 0x02, 0x10
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP

selector = selectors.DefaultSelector()


def echo_to(connection):
    words = b""
    with contextlib.suppress(OSError):
        words = connection.recv(65536)
        connection.sendall(words)
    if not words:
        selector.unregister(connection)
        connection.close()


def accept(listener):
    with contextlib.suppress(OSError):  # it is gone already
        connection, _ = listener.accept()
        selector.register(connection, selectors.EVENT_READ, echo_to)


def answer(sock):
    with contextlib.suppress(OSError):
        words, ancillary, _, peer = sock.recvmsg(65536, 100)
        sock.sendmsg([words], ancillary, 0, peer)  # from the address that was asked


def serve(port):
    for kind, what in ((socket.SOCK_STREAM, accept), (socket.SOCK_DGRAM, answer)):
        sock = socket.socket(socket.AF_INET6, kind)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            sock.listen(4096)
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, what)


def begins(packet):
    """(protocol, source port, destination port) of a packet that begins something, or None."""
    version = packet[14] >> 4
    at, protocol = (14 + (packet[14] & 15) * 4, packet[23]) if version == 4 else (54, packet[20])
    if protocol == TCP and packet[at + 13] & (SYN | ACK) == SYN or protocol == UDP:
        return protocol, *struct.unpack_from("!HH", packet, at)
    return None


def watch(ports, tap):
    packet, ancillary, _, address = tap.recvmsg(128, 100)
    what = begins(packet) if address[2] != OUTGOING and address[1] in (0x0800, 0x86dd) else None
    if what and what[2] in ports:
        seconds, ns = struct.unpack("qq", ancillary[0][2])
        _, missed = struct.unpack("II", tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        print(json.dumps([*what, seconds + ns / 1e9, missed]), flush=True)


def main(interface, ports):
    for port in ports:
        serve(port)
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.bind((interface, 0))
    selector.register(tap, selectors.EVENT_READ, lambda tap: watch(ports, tap))
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            key.data(key.fileobj)


main(sys.argv[1], {int(port) for port in sys.argv[2:]})
