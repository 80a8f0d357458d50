# SPDX-License-Identifier: Apache-2.0
"""A hermetic network: a client and a server on the two ends of a veth pair.

    with Lab() as lab:
        lab.server.start([load, "server", lab.SERVER, "7000"], ready="ready")
        print(lab.client.run([load, "connect", lab.SERVER, "7000"]).stdout)
"""
import contextlib
import pathlib
import socket

from .cgroup import Cgroup
from .namespace import Namespace, run
from .wait import wait_until


RTF_LOCAL = 0x80000000


class Lab:
    """`client` and `server` namespaces; with a name, programs of the client start in a
    cgroup, and there is one for daemons."""

    CLIENT, SERVER = "198.18.0.1", "198.18.0.2"
    CLIENT6, SERVER6 = "fd00:198:18::1", "fd00:198:18::2"
    CLIENT_LINK, SERVER_LINK = "02:00:00:00:00:01", "02:00:00:00:00:02"

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
        client, server = (self.CLIENT, self.CLIENT6, self.CLIENT_LINK), (self.SERVER, self.SERVER6, self.SERVER_LINK)
        self._configure(self.client, client, server)
        self._configure(self.server, server, client)
        for namespace, address in ((self.client, self.CLIENT6), (self.server, self.SERVER6)):
            wait_until(lambda: namespace.inside(lambda: is_local(address)), f"{address} was not there")

    def wait_for_groups(self):
        """Datagrams to an IPv6 group have a way once the kernel has noticed that the link is up: up to a second."""
        for namespace in (self.client, self.server):
            wait_until(lambda: "ff00::/8" in namespace.run(["ip", "-6", "route", "show", "table", "local"]).stdout,
                       "no route for groups")

    @staticmethod
    def _configure(namespace, own, peer):
        """They know each other: the first packet would pay for address resolution, and a closed loop remembers."""
        (address, address6, link_address), (peer_address, peer_address6, peer_link_address) = own, peer
        namespace.run(["ip", "-batch", "-"], input=f"""
            link set lo up
            address add {address}/24 dev veth0
            address add {address6}/64 dev veth0 nodad
            link set veth0 addrgenmode none address {link_address}
            link set veth0 up
            neighbour replace {peer_address} dev veth0 lladdr {peer_link_address}
            neighbour replace {peer_address6} dev veth0 lladdr {peer_link_address}
        """)
        # A namespace inherits bbr, which paces; the client's own ports must not run short.
        namespace.sysctl(net__ipv4__tcp_congestion_control="reno",
                         net__ipv4__ip_local_port_range="1024 65535")


def is_local(address):
    """Is there a route to that IPv6 address in the local table?"""
    destination = socket.inet_pton(socket.AF_INET6, address).hex()
    routes = pathlib.Path("/proc/thread-self/net/ipv6_route").read_text(encoding="ascii").splitlines()
    return any(line.startswith(destination) and int(line.split()[8], 16) & RTF_LOCAL for line in routes)
