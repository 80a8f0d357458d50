# SPDX-License-Identifier: Apache-2.0
"""A hermetic network: a client and a server on the two ends of a veth pair.

    with Lab() as lab:
        lab.server.start([load, "server", lab.SERVER, "7000"], ready="ready")
        print(lab.client.run([load, "connect", lab.SERVER, "7000"]).stdout)
"""
import contextlib

from .cgroup import Cgroup
from .namespace import Namespace, run
from .wait import wait_until


class Lab:
    """`client` and `server` namespaces; with a name, programs of the client start in a
    cgroup, and there is one for daemons."""

    CLIENT, SERVER = "198.18.0.1", "198.18.0.2"
    CLIENT6, SERVER6 = "fd00:198:18::1", "fd00:198:18::2"

    def __init__(self, name=None):
        self.name = name
        self.cgroup = self.daemons = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            if self.name:
                self.cgroup = stack.enter_context(contextlib.closing(Cgroup(self.name)))
                self.daemons = stack.enter_context(contextlib.closing(Cgroup(f"{self.name}-daemons")))
            self.client = stack.enter_context(contextlib.closing(Namespace()))
            self.server = stack.enter_context(contextlib.closing(Namespace()))
            self.client.cgroup = self.cgroup
            self._connect()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def _connect(self):
        run(["ip", "link", "add", "veth0", "netns", self.client.path, "type", "veth",
             "peer", "name", "veth0", "netns", self.server.path])
        self._configure(self.client, self.CLIENT, self.CLIENT6)
        self._configure(self.server, self.SERVER, self.SERVER6)
        for namespace, address in ((self.client, self.CLIENT6), (self.server, self.SERVER6)):
            wait_until(lambda: address in namespace.run(["ip", "-6", "route", "show", "table", "local"]).stdout,
                       f"{address} was not there")
        self._introduce(self.client, self.server, self.SERVER, self.SERVER6)
        self._introduce(self.server, self.client, self.CLIENT, self.CLIENT6)

    @staticmethod
    def _configure(namespace, address, address6):
        namespace.run(["ip", "-batch", "-"], input=f"""
            link set lo up
            address add {address}/24 dev veth0
            address add {address6}/64 dev veth0 nodad
            link set veth0 addrgenmode none
            link set veth0 up
        """)
        # A namespace inherits bbr, which paces; the client's own ports must not run short.
        namespace.sysctl(net__ipv4__tcp_congestion_control="reno",
                         net__ipv4__ip_local_port_range="1024 65535")

    @staticmethod
    def _introduce(namespace, peer, *addresses):
        """The first packet would pay for address resolution, and a closed loop remembers."""
        link_address = peer.run(["ip", "-br", "link", "show", "veth0"]).stdout.split()[2]
        for address in addresses:
            namespace.run(["ip", "neighbour", "replace", address, "dev", "veth0", "lladdr", link_address])
