# SPDX-License-Identifier: Apache-2.0
"""The ways on which the soak's flows go: a port for each, and what the sessions do with it."""

PORTS = {
    "direct": 8000,
    "watch": 8001,          # every byte is shown to a filter
    "first": 8002,          # the first 26 bytes are, which every stream has
    "splice": 8003,         # a proxy opens the way and gives it to flowd
    "claim": 8004,          # a proxy copies the bytes itself
    "peek": 8005,           # a proxy looks at the first bytes and declines
    "watch-splice": 8006,
    "watch-claim": 8007,
}
REFUSED_PORT = 8100         # the firewall-grade filter refuses it; the server would answer
CLOSED = 100                # PORT + CLOSED takes the same way to where nobody listens
CLOSED_PORTS = {way: port + 100 + CLOSED for way, port in PORTS.items()}
WAY_OF = {port: way for ports in (PORTS, CLOSED_PORTS) for way, port in ports.items()} | {REFUSED_PORT: "refused"}
# Only streams can be spliced and peeked at.
DATAGRAM_WAYS = ("direct", "watch", "claim", "watch-claim")
# An inspected flow reaches an extension as a local socket, which cannot tell a reset from an end.
DEAF_WAYS = ("watch-claim",)
RESET_WAYS = tuple(way for way in PORTS if way not in DEAF_WAYS)


def lines(way, *what):
    """What a script says about both of a way's ports."""
    return [f"{ports[way]} {' '.join(what)}" for ports in (PORTS, CLOSED_PORTS)]


def sessions():
    """Name: program, options, lines of its script."""
    proxy = ["--kind", "transparent-proxy"]
    return {
        "wall": ("scripted", [], [f"{REFUSED_PORT} refuse", "* allow"]),
        "watcher": ("inspecting", ["--grade", "inspector"],
                    lines("watch", "watch") + lines("first", "first", "26") +
                    lines("watch-splice", "watch") + lines("watch-claim", "watch")),
        "splicer": ("scripted-proxy", [*proxy, "--order", "1"],
                    ["attach yes"] + lines("splice", "splice") + lines("watch-splice", "splice")),
        "copier": ("scripted-proxy", [*proxy, "--order", "2"],
                   ["attach yes"] + lines("claim", "claim") + lines("watch-claim", "claim")),
        "peeker": ("scripted-proxy", [*proxy, "--order", "3"], ["attach yes"] + lines("peek", "peek", "20", "decline")),
    }
