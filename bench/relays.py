# SPDX-License-Identifier: Apache-2.0
"""Sites whose client is steered through a relay in its own namespace: the bare one, the same
with netext-flowd's carrier. Each checks that every connection came to the server by the relay.
"""
from measure import PORT, program
from sites import expect

RELAY_PORT = "7001"
RELAY_MARK = "0x4e580002"
STEER_MARK = "0x4e580003"
STEER_TABLE = "7001"
OF_BARE = f"meta mark {RELAY_MARK}"

# The relay's own connections pass and are counted; the client's are routed to lo, where tproxy
# hands them to the relay.
STEERING = """
table inet bench {{
        counter relayed {{ }}
        chain output {{
                type route hook output priority mangle; policy accept;
                tcp dport != {port} accept
                {own} tcp flags & (syn | ack) == syn counter name relayed accept
                {own} accept
                meta mark set {steer}
        }}
        chain prerouting {{
                type filter hook prerouting priority mangle; policy accept;
                iif lo meta mark {steer} meta l4proto tcp tproxy ip to :{relay} accept
        }}
}}
"""


def add_rules(site, rules, own):
    site.lab.client.nft(rules.format(port=PORT, own=own, steer=STEER_MARK, relay=RELAY_PORT))


def steer(site, own):
    add_rules(site, STEERING, own)
    site.lab.client.run(["ip", "-batch", "-"], input=f"""
        rule add fwmark {STEER_MARK} lookup {STEER_TABLE}
        route add local default dev lo table {STEER_TABLE}
    """)


def count_relayed(site, family):
    counter = site.lab.client.run(["nft", "list", "counter", family, "bench", "relayed"]).stdout.split()
    return int(counter[counter.index("packets") + 1])


def all_relayed(site, family="inet"):
    """The check of a site: the relay has made as many connections as the client."""

    def check():
        n_relayed = count_relayed(site, family)
        expect(n_relayed >= site.n_connections,
               f"{site.n_connections} connections, but {n_relayed} came from the relay")

    return check


def of_ours(name):
    """A relay of this folder."""

    def set_up(site):
        site.lab.client.start([program(name), RELAY_PORT, RELAY_MARK],
                              ready="ready", cpus=site.options.responder_cpus)
        steer(site, OF_BARE)
        return all_relayed(site)

    return set_up
