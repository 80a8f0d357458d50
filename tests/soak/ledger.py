# SPDX-License-Identifier: Apache-2.0
"""What the programs told, held against the faults: which errors are explained, and which are not.

An error is explained only by a fault that can break flows of its way, while it lasts and some
seconds after. Nothing explains a wrong byte, a clean end with bytes missing, or a hang.
"""
import collections
import threading
import time

from ways import DEAF_WAYS, WAY_OF

EXPLAINED_S = 3       # so long after its end a fault explains an error
PAIRED_S = 45         # so long the server may take to tell of what a client has told

THROUGH_FLOWD = {"watch", "first", "splice", "peek", "watch-splice", "watch-claim"}
COPIED = {"claim", "watch-claim"}


def breaks(fault, event):
    """Can this fault have broken what the event tells of?"""
    way, is_datagram = event["way"], event.get("kind") == "datagrams"
    if fault.what == "flowd":
        if way == "claim" and not is_datagram:  # what was handed over outlives flowd
            return (event.get("connected") or event["began"]) > fault.began - 1
        return way in THROUGH_FLOWD or way == "refused" or is_datagram
    if fault.what == "copier" and fault.how in ("kill", "session"):
        return way in COPIED
    if fault.what == "wall" and fault.how in ("kill", "stop", "session"):
        return way == "refused"
    return False


class Ledger:
    """Counts what was told; `bad` is what must not be."""

    def __init__(self):
        self.faults, self.bad = [], []
        self.counts = collections.Counter()
        self.slowest = 0
        self._unexplained = []  # errors that a fault may still explain
        self._pending = {}      # exchanges that one side has told of: (when, what it told)
        self._lock = threading.Lock()

    def told(self, event):
        with self._lock:
            event.setdefault("way", WAY_OF.get(event.get("port")))
            self.counts["bytes"] += event["heard"]
            if event["at"] == "client":
                self._from_client(event)
            else:
                self._from_server(event)

    def _from_client(self, event):
        self.counts["flows"] += 1
        self.counts[event["kind"]] += 1
        if event["kind"] not in ("datagrams", "closed"):
            self.slowest = max(self.slowest, (event["connected"] or event["ended"]) - event["began"])
        if event["error"]:
            self._judge(event)
        elif event["kind"] not in ("datagrams", "closed", "refused", "client_resets"):
            self._pair(event)

    def _from_server(self, event):
        if event["exchange"] is None:  # a connection that never said who it was
            if event["error"].startswith("clean end after 0 bytes"):
                self.counts["silent"] += 1
                event["grave"] = False
            if event["error"] == "receive: ECONNRESET":
                return
            self._judge(event)
        elif event["client_resets"]:
            if event["error"] not in ("receive: ECONNRESET", "send: ECONNRESET", "send: EPIPE"):
                self._judge({**event, "error": f"a reset of the client's: {event['error']}", "grave": True})
        elif event["error"]:
            self._judge(event)
            self._pair(event)  # a client that has said all and left may not have heard of it
        else:
            self._pair(event)

    def _pair(self, event):
        if self._pending.pop(event["exchange"], None) is None:
            self._pending[event["exchange"]] = (time.monotonic(), event)

    def _judge(self, event):
        self.counts["errors"] += 1
        if event["way"] in DEAF_WAYS and "clean end" in event["error"]:
            event["grave"] = False
            self.counts["deaf"] += 1
        if event.get("grave"):
            self.bad.append(event)
        else:
            self._unexplained.append(event)

    def settle(self, final=False):
        """Errors whose fault is known by now leave; those that nothing can explain any more are bad."""
        with self._lock:
            now, waiting = time.monotonic(), []
            self._settle_pairs(now, final)
            for event in self._unexplained:
                fault = next((fault for fault in reversed(self.faults) if explains(fault, event)), None)
                if fault:
                    fault.n_explained += 1
                    self.counts["explained"] += 1
                elif final or now > event["ended"] + 2:
                    self.bad.append(event)
                else:
                    waiting.append(event)
            self._unexplained = waiting

    def _settle_pairs(self, now, final):
        for number, (when, event) in list(self._pending.items()):
            if final or now > when + PAIRED_S:
                del self._pending[number]
                if event["at"] == "client":  # the other way round the client has told its error
                    self._judge({**event, "error": "the server did not hear of it", "grave": event["heard"] > 0})


def explains(fault, event):
    since = event.get("since") or event["ended"]
    until = fault.ended or time.monotonic()
    return fault.began - 0.1 <= event["ended"] and since <= until + EXPLAINED_S and breaks(fault, event)


def in_words(event, started):
    """One line for a person."""
    return (f"{event['ended'] - started:8.1f} s  {event['at']:<6} {event.get('kind', ''):<13} "
            f"{event['way'] or '?':<12} {event['error']} (said {event['said']}, heard {event['heard']}, "
            f"{event['ended'] - event['began']:.1f} s, exchange {event['exchange']})")
