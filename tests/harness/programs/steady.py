#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Begins a flow to each target, again and again, at a steady pace, and tells what became of each.

    steady.py PACE_MS NAME,KIND,ADDRESS,PORT …

KIND is tcp; udp, which sends without connect(); udp-connected; or udp-again, which keeps its socket.
Reads from stdin "go" and "pause", which it confirms when all have an answer, and ends when that is
closed. For each flow a line of JSON: [NAME, local port, when it began, when it was decided, error],
in seconds of the real-time clock. A connection is decided when it is open or refused, a datagram when
its echo or an error is there. Errors are names, or null; who waits too long has "ETIMEDOUT".
"""
import contextlib
import errno
import json
import os
import selectors
import socket
import sys
import time

TIMEOUT_S = 8
RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
WORD = b"hello"

selector = selectors.DefaultSelector()
under_way = set()


class Target:
    """Who is talked to, and how."""

    def __init__(self, text):
        self.name, self.kind, address, port = text.split(",")
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.peer = address, int(port)
        self.kept = None  # the socket of the flow before this one

    def open(self):
        if self.kept:
            return self.kept
        opened = socket.socket(self.family, socket.SOCK_STREAM if self.kind == "tcp" else socket.SOCK_DGRAM)
        opened.setblocking(False)
        if self.kind == "udp":  # also one that has no peer is told of a refusal
            opened.setsockopt(*RECVERR[self.family], 1)
        return opened

    def give_back(self, used, error):
        self.kept = used
        if self.kind != "udp-again" or error == "ETIMEDOUT":
            self.forget()

    def forget(self):
        if self.kept:
            self.kept.close()
        self.kept = None


class Flow:
    """One connection or datagram, until it has an answer."""

    def __init__(self, target):
        self.target, self.began, self.decided, self.local_port = target, time.time(), None, 0
        self.socket = target.open()
        under_way.add(self)
        self.go_on(self.begin)

    def go_on(self, step):
        try:
            step()
        except OSError as error:
            self.end(errno.errorcode.get(error.errno, str(error)))

    def begin(self):
        if self.target.kind == "udp":
            self.socket.sendto(WORD, self.target.peer)
        elif not self.target.kept:
            code = self.socket.connect_ex(self.target.peer)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, "connect")
        self.local_port = self.socket.getsockname()[1]
        if self.target.kind == "tcp":
            return self.wait_for(selectors.EVENT_WRITE, self.opened)
        if self.target.kind != "udp":
            self.socket.send(WORD)
        return self.wait_for(selectors.EVENT_READ, self.hear)

    def wait_for(self, event, step):
        self.forget()
        selector.register(self.socket, event, lambda: self.go_on(step))

    def forget(self):
        if self.socket in selector.get_map():
            selector.unregister(self.socket)

    def opened(self):
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "connect")
        self.decided = time.time()
        self.socket.send(WORD)
        self.wait_for(selectors.EVENT_READ, self.hear)

    def hear(self):
        with contextlib.suppress(BlockingIOError):  # woken by an error that the next call tells
            self.end(None if self.socket.recv(100) == WORD else "ENODATA")

    def end(self, error):
        under_way.discard(self)
        self.forget()
        self.target.give_back(self.socket, error)
        print(json.dumps([self.target.name, self.local_port, self.began, self.decided or time.time(), error]),
              flush=True)


def end_late():
    for flow in [flow for flow in under_way if time.time() > flow.began + TIMEOUT_S]:
        flow.end("ETIMEDOUT")


def is_free(target):
    """One socket has one question at a time."""
    return target.kind != "udp-again" or all(flow.target is not target for flow in under_way)


class Orders:
    """What stdin says."""

    def __init__(self):
        self.going = self.pausing = self.ended = False

    def hear(self):
        words = os.read(sys.stdin.fileno(), 100).decode().split()
        self.ended = not words
        self.going, self.pausing = words[-1:] == ["go"], words[-1:] == ["pause"]

    def confirm_pause(self, targets):
        if self.pausing and not under_way:
            self.pausing = False
            for target in targets:
                target.forget()
            print('"quiet"', flush=True)


def main(pace_s, targets):
    orders, due, turn = Orders(), time.monotonic(), 0
    selector.register(sys.stdin, selectors.EVENT_READ, orders.hear)
    while not orders.ended:
        for key, _ in selector.select(max(0, due - time.monotonic())):
            key.data()
        if time.monotonic() < due:
            continue
        due = time.monotonic() + pace_s / len(targets)
        turn += 1
        if orders.going and is_free(targets[turn % len(targets)]):
            Flow(targets[turn % len(targets)])
        end_late()
        orders.confirm_pause(targets)


main(int(sys.argv[1]) / 1000, [Target(text) for text in sys.argv[2:]])
