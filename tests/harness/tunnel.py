# SPDX-License-Identifier: Apache-2.0
"""A tunnel of the kernel's between the lab's hosts, beside the way that they have already."""
import json


class Tunnel:
    """`tunnel0`, a VXLAN, at both ends. To the server's addresses there is a way through it, which nobody takes
    who does not ask for it."""

    CLIENT, SERVER = "198.19.0.1", "198.19.0.2"
    CLIENT6, SERVER6 = "fd00:198:19::1", "fd00:198:19::2"
    PORT = 4789

    def __init__(self, lab):
        self.lab = lab
        for host, here, there in ((lab.client, lab.CLIENT, lab.SERVER), (lab.server, lab.SERVER, lab.CLIENT)):
            host.run(["ip", "-batch", "-"], input=f"""
                link add tunnel0 type vxlan id 7 dstport {self.PORT} local {here} remote {there}
                link set tunnel0 addrgenmode none
            """)
        self._up(lab.server, self.SERVER, self.SERVER6)
        self.up()

    @staticmethod
    def _up(host, address, address6):
        host.run(["ip", "-batch", "-"], input=f"""
            link set tunnel0 up
            address replace {address}/24 dev tunnel0
            address replace {address6}/64 dev tunnel0 nodad
        """)

    def up(self):
        self._up(self.lab.client, self.CLIENT, self.CLIENT6)
        self.lab.client.run(["ip", "-batch", "-"], input=f"""
            route replace 198.18.0.0/24 via {self.SERVER} dev tunnel0 metric 9999
            route replace fd00:198:18::/64 via {self.SERVER6} dev tunnel0 metric 9999
        """)

    def down(self):
        self.lab.client.run(["ip", "link", "set", "tunnel0", "down"])

    def count(self, *ports):
        """Has the server count, from now on, what comes to these ports; see came_by()."""
        ports = ", ".join(map(str, ports))
        self.lab.server.nft(f"""
            table inet ways {{
                counter tunnel0 {{}}
                counter veth0 {{}}
                chain input {{
                    type filter hook input priority 0
                    iifname tunnel0 th dport {{ {ports} }} counter name tunnel0
                    iifname veth0 th dport {{ {ports} }} counter name veth0
                }}
            }}
        """)

    def came_by(self, interface):
        """How many packets."""
        listed = json.loads(self.lab.server.run(["nft", "-j", "list", "counter", "inet", "ways", interface]).stdout)
        return next(one["counter"]["packets"] for one in listed["nftables"] if "counter" in one)
