# SPDX-License-Identifier: Apache-2.0
"""Sites whose client is steered through a relay in its own namespace: the bare one, the same
with netext-flowd's carrier, and what others use. Each checks that every connection came
to the server by the relay.
"""
import os
import subprocess
import tempfile

from loads import DATAGRAM_SIZE, PORT, listens, program
from packages import install
from sites import QUEUE, all_claimed, expect, netext_instance, responder

from harness.wait import wait_until

RELAY_PORT = "7001"
RELAY_MARK = "0x4e580002"
STEER_MARK = "0x4e580003"
STEER_TABLE = "7001"
# Peers run as a user of their own, by which their connections are known: they set no mark.
PEER_UID = "65533"
OF_BARE = f"meta mark {RELAY_MARK}"
OF_PEER = f"meta skuid {PEER_UID}"

# The relay's own connections pass and are counted; the client's are routed to lo, where tproxy
# hands them to the relay.
STEERING = """
table inet bench {{
        counter relayed {{ }}
        chain output {{
                type route hook output priority mangle; policy accept;
                {protocol} dport != {port} accept
                {own} {begins} counter name relayed accept
                {own} accept
                meta mark set {steer}
        }}
        chain prerouting {{
                type filter hook prerouting priority mangle; policy accept;
                iif lo meta mark {steer} meta l4proto {protocol} tproxy ip to :{relay} accept
        }}
}}
"""
# A datagram that goes to the server is not told from the first of its flow: all are counted.
BEGINS = {"tcp": "tcp flags & (syn | ack) == syn", "udp": ""}
# For relays that know only redirection by address translation.
REDIRECTION = """
table ip bench {{
        counter relayed {{ }}
        chain output {{
                type nat hook output priority -100; policy accept;
                tcp dport != {port} accept
                {own} counter name relayed accept
                tcp dport {port} redirect to :{relay}
        }}
}}
"""
# For a client that needs no redirection.
COUNTING = """
table ip bench {{
        counter relayed {{ }}
        chain output {{
                type filter hook output priority 0; policy accept;
                tcp dport {port} {own} {begins} counter name relayed
        }}
}}
"""
HAPROXY = """
global
        maxconn 4096
        tune.pipesize 1048576
defaults
        mode {mode}
        timeout connect 5s
        timeout client 60s
        timeout server 60s
        {splice}
        option nolinger
frontend clients
        bind :{relay} transparent
        default_backend destination
backend destination
        server original 0.0.0.0:0
"""
REDSOCKS = """
base {{ log_info = off; daemon = off; redirector = iptables; }}
redsocks {{ local_ip = 127.0.0.1; local_port = {relay}; ip = 127.0.0.1; port = 1080; type = socks5; }}
"""


def add_rules(site, rules, own, protocol="tcp"):
    site.lab.client.nft(rules.format(port=PORT, own=own, steer=STEER_MARK, relay=RELAY_PORT,
                                     protocol=protocol, begins=BEGINS[protocol]))


def steer(site, own, protocol="tcp"):
    add_rules(site, STEERING, own, protocol)
    site.lab.client.run(["ip", "-batch", "-"], input=f"""
        rule add fwmark {STEER_MARK} lookup {STEER_TABLE}
        route add local default dev lo table {STEER_TABLE}
    """)


def relayed(site, family, what):
    counter = site.lab.client.run(["nft", "list", "counter", family, "bench", "relayed"]).stdout.split()
    return int(counter[counter.index(what) + 1])


def all_relayed(site, family="inet"):
    """The check of a site: the relay has made as many connections as the client."""

    def check():
        n_relayed = relayed(site, family, "packets")
        expect(n_relayed >= site.n_connections,
               f"{site.n_connections} connections, but {n_relayed} came from the relay")

    return check


def all_answers_relayed(site):
    """The check of a site: the relay has sent as many questions as there were answers. Many can
    leave as one packet, so their bytes are counted."""

    def check():
        n_bytes = relayed(site, "inet", "bytes")
        n_answers = sum(turn["answers"] for turn in site.turns)
        expect(n_bytes >= n_answers * DATAGRAM_SIZE,
               f"{n_answers} answers, but {n_bytes} bytes of questions came from the relay")

    return check


def of_ours(name, protocol="tcp"):
    """A relay of this folder."""

    def set_up(site):
        site.start_service([program(name), RELAY_PORT, RELAY_MARK], ready="ready")
        steer(site, OF_BARE, protocol)
        return all_answers_relayed(site) if protocol == "udp" else all_relayed(site)

    return set_up


# The first segment of the client, before it is steered. (iptables-nft's chain has the priority of
# ours, and of two the later one is first.) The relay's own bears its mark.
ASK_FIRST = [["-p", "tcp", "--syn", "-m", "mark", "--mark", "0",
              "-j", "NFQUEUE", "--queue-num", QUEUE, "--queue-bypass"]]


def behind_a_pair(name):
    """The same, and a bare pair of processes is asked about each connection before it begins: the
    least that it can cost to let a client wait for what another process says."""

    def set_up(site):
        checks = of_ours(name)(site), responder("pair", ASK_FIRST)(site)
        return lambda: [check() for check in checks]

    return set_up


# --- peers -------------------------------------------------------------------------------


def start_peer(site, argv, port, **kwargs):
    """As the peers' user, with what a transparent listener needs."""
    site.start_service(
        ["setpriv", "--reuid", PEER_UID, "--regid", PEER_UID, "--clear-groups", "--inh-caps", "+net_admin",
         "--ambient-caps", "+net_admin", "--", *argv],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)
    wait_until(lambda: listens(site.lab.client, port), f"{argv[0]} did not listen on port {port}")


def configuration(site, text, **settings):
    """A file that the peers' user can read."""
    file = site.stack.enter_context(tempfile.NamedTemporaryFile("w", prefix="netext-bench-"))
    file.write(text.format(relay=RELAY_PORT, **settings))
    file.flush()
    os.chmod(file.name, 0o644)
    return file.name


def haproxy(mode, splice="option splice-auto"):
    """To where the client wanted to go. Mode http reads every request and may send it on over
    any connection that it has open. Left to itself it copies what the load sends: only where it
    is told to does it splice."""

    def set_up(site):
        install("haproxy")
        start_peer(site, ["haproxy", "-db", "-f", configuration(site, HAPROXY, mode=mode, splice=splice)], RELAY_PORT)
        steer(site, OF_PEER)
        return all_relayed(site)

    return set_up


# --- to a SOCKS5 upstream ----------------------------------------------------------------

SOCKS_PORT = "1080"


def socks_server():
    """Ours: microsocks is slower than what is measured in front of it."""
    return [program("socks5"), SOCKS_PORT]


def microsocks():
    install("microsocks")
    return ["microsocks", "-i", "127.0.0.1", "-p", SOCKS_PORT]


def start_upstream(site, upstream):
    """Outside of the cgroup whose programs are steered."""
    start_peer(site, upstream(), SOCKS_PORT, cgroup=site.lab.cgroup.path.parent)


def spoken_to(upstream):
    """The client speaks SOCKS5 itself: the most that anybody in front of that upstream can reach."""

    def set_up(site):
        start_upstream(site, upstream)
        add_rules(site, COUNTING, OF_PEER)
        site.client_options = ["--socks5", SOCKS_PORT]
        return all_relayed(site, "ip")

    return set_up


def redsocks(upstream):
    """Redirected into a SOCKS proxy, which is how programs are proxied that do not know of it."""

    def set_up(site):
        install("redsocks")
        start_upstream(site, upstream)
        start_peer(site, ["redsocks", "-c", configuration(site, REDSOCKS)], RELAY_PORT)
        add_rules(site, REDIRECTION, OF_PEER)
        return all_relayed(site, "ip")

    return set_up


def netext_relay(upstream):
    """netext's relay extension, into the same."""

    def set_up(site):
        start_upstream(site, upstream)
        instance = site.stack.enter_context(netext_instance(site.lab))
        rules = configuration(site, f"upstream here socks5 127.0.0.1:{SOCKS_PORT}\nvia here port {PORT}\n")
        instance.start_session("relay", "--rules", rules)
        return all_claimed(site, instance)

    return set_up
