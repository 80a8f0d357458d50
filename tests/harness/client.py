# SPDX-License-Identifier: Apache-2.0
"""Programs of the lab's client: what they are told by the kernel is what scenarios assert on."""
import json
import subprocess
import textwrap
import types

from .lab import Lab
from .namespace import wait_for_line
from .paths import PROGRAMS

TALK = PROGRAMS / "talk"
PYTHON = "/usr/bin/python3"
PRELUDE = "import errno, hashlib, json, os, select, socket, struct, sys, threading, time\n"
MAPPED = "::ffff:" + Lab.SERVER
# Every way in which a program can begin a flow to the server.
TRANSPORTS = [(protocol, address) for protocol in ("tcp", "udp", "udp-connected")
              for address in (Lab.SERVER, Lab.SERVER6, MAPPED)]


# An echo request, whose answer is `answer`: what it says, or None.
PING = """
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return ~total & 0xffff

six = ":" in to
raw = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                    socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
raw.settimeout(wait)
body = text.encode().ljust(size)
head = struct.pack("!BBHHH", 128 if six else 8, 0, 0, number, 1)
raw.sendto(head[:2] + struct.pack("!H", checksum(head + body)) + head[4:] + body, (to, 0))
answer, end = None, time.monotonic() + wait
while answer is None and time.monotonic() < end:
    try:
        got = raw.recv(70000)[0 if six else 20:]
    except OSError:
        break
    if got[0] == (129 if six else 0) and struct.unpack("!H", got[4:6])[0] == number:
        answer = got[8:].decode().strip()
"""


class Client:
    """Runs programs in the client's namespace and cgroup."""

    def __init__(self, lab):
        self.lab = lab

    def talk(self, protocol, address, port, *options, program=TALK, **kwargs):
        """Says hello; tells `error` (None or "EPERM"), `at` which call, `ms`, `pid`, `local_port`, `answers`."""
        done = self.lab.client.run([program, *options, protocol, address, port], check=False, **kwargs)
        assert done.stdout, f"talk {protocol} {address} {port}: {done.stderr}"
        return types.SimpleNamespace(**json.loads(done.stdout))

    def tcp(self, port=80, address=Lab.SERVER, *options, **kwargs):
        return self.talk("tcp", address, port, *options, **kwargs)

    def udp(self, port=80, address=Lab.SERVER, *options, **kwargs):
        return self.talk("udp", address, port, *options, **kwargs)

    def start(self, protocol, address, port, *options, program=TALK):
        """The same in the background; see answer()."""
        return self.lab.client.start([program, *options, protocol, address, port], stdin=subprocess.PIPE)

    @staticmethod
    def answer(process, timeout=15):
        """Waits for what a program in the background has to tell."""
        return types.SimpleNamespace(**json.loads(wait_for_line(process, "{", timeout)))

    def ping(self, text="", to=Lab.SERVER, wait=1.0, number=77, size=64):
        """Says text in an ICMP echo of that size; what the answer says, or None."""
        return self.python(PING, text=text, to=to, wait=wait, number=number, size=size)

    def run(self, *argv, **kwargs):
        """Any other program: the completed process."""
        kwargs.setdefault("timeout", 60)
        return self.lab.client.run(argv, check=False, **kwargs)

    def python(self, code, **names):
        """Runs code in a program of the client; what it left in `answer`. names are its variables."""
        done = self.run(*self._script(code, names))
        assert done.stdout, f"{code}\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])[0]

    def start_python(self, code, inside=(), python=PYTHON, **names):
        """The same in the background, which may wait for its stdin; see python_answer(). inside: a command that
        begins it, "unshare --user"; python: a copy of it."""
        return self.lab.client.start([*inside, *self._script(code, names, python)], stdin=subprocess.PIPE)

    @staticmethod
    def wait_for_ready(process, timeout=15):
        wait_for_line(process, "ready", timeout)

    @staticmethod
    def python_answer(process, timeout=15):
        return json.loads(wait_for_line(process, "[", timeout))[0]

    @staticmethod
    def _script(code, names, python=PYTHON):
        variables = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        return [python, "-I", "-c", PRELUDE + variables + textwrap.dedent(code) +
                "\nprint(json.dumps([answer]), flush=True)\n"]
