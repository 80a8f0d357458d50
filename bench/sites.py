# SPDX-License-Identifier: Apache-2.0
"""What can stand between client and server: nothing, connection tracking, a bare
responder, or netext. Each is a set-up for measure.Site, and checks afterwards
that it did what it is named for.
"""
import contextlib
import pathlib
import tempfile

from loads import LOADS, PORT, program
from measure import NotMeasured
from spent import spent_by

from harness.client import Client
from harness.instance import Instance
from harness.lab import Lab
from harness.wait import wait_until

PAUSED_PORT = 7001  # of filter-pause
QUEUE = "7"
MARK = "0x4e580001"

# The least that asks once for each flow. Packets of an answered flow leave at
# the first rule. The repeated SYN bears the mark: saved by the second rule, kept
# from the queue by the third. Without a listener packets pass (bypass).
QUEUE_RULES = [
    ["-m", "connmark", "--mark", MARK, "-j", "ACCEPT"],
    ["-m", "mark", "--mark", MARK, "-j", "CONNMARK", "--save-mark"],
    ["-p", "tcp", "--syn", "-m", "mark", "--mark", "0",
     "-j", "NFQUEUE", "--queue-num", QUEUE, "--queue-bypass"],
]
# One rule: what was answered comes back with the mark.
QUEUE_EACH_DATAGRAM = [
    ["-p", "udp", "-m", "mark", "--mark", "0", "-j", "NFQUEUE", "--queue-num", QUEUE, "--queue-bypass"],
]
CONNTRACK = """
table inet bench {
        chain output {
                type filter hook output priority filter; policy accept;
                ct mark 0x4e58ffff drop
        }
}
"""
FIREWALL_RULES = f"default deny\nallow protocol tcp to 198.18.0.0/15 port {PORT}\n"
# An allowed bulk stream may be asked about more than once (a SYN that was sent
# again), but not with its packets: those number a million.
ASKED_PER_STREAM_MAX = 10


def none(site):
    """The bare kernel."""


def conntrack(site):
    site.lab.client.nft(CONNTRACK)


def add_queue_rules(site, rules, chain="OUTPUT"):
    for rule in rules:
        site.lab.client.run(["iptables-nft", "-w", "-t", "mangle", "-A", chain, *rule])


def responder(kind, rules=QUEUE_RULES):
    """A bare responder ("single" or "pair" of processes) that allows every flow."""

    def set_up(site):
        site.start_service([program(f"responder-{kind}"), QUEUE, MARK], ready="ready")
        add_queue_rules(site, rules)
        return lambda: expect(count_asked(site) >= site.n_connections,
                              f"the responder was asked about {count_asked(site)} "
                              f"of {site.n_connections} connections")

    return set_up


def packet_responder(site):
    """A bare pair of processes that allows every datagram, both ways."""
    site.start_service([program("responder-pair"), QUEUE, MARK], ready="ready")
    for chain in ("OUTPUT", "INPUT"):
        add_queue_rules(site, QUEUE_EACH_DATAGRAM, chain)
    return lambda: expect_every_datagram(site, count_asked(site), "queued")


def expect_every_datagram(site, n, what):
    wanted = 2 * sum(turn["answers"] for turn in site.turns)
    expect(n >= wanted, f"{n} of {wanted} datagrams were {what}")


def expect(true, complaint):
    if not true:
        raise NotMeasured(complaint)


def count_asked(site):
    """How many packets the client's queues have handed to user space: their id sequences."""
    queues = site.lab.client.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout.splitlines()
    expect(queues, "nobody listens to a queue")
    return sum(int(queue.split()[7]) for queue in queues)


@contextlib.contextmanager
def netext_instance(lab):
    """For the programs of the lab's cgroup. It has to end and leave nothing: Instance looks."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="netext-bench-"))
        instance = Instance(lab, lab.name.removeprefix("netext-"), f"{folder}/netextd.log")
        stack.callback(instance.abandon)
        stack.callback(instance.stop)
        yield instance.start()


class Growth:
    """Of what the instance has counted, since the load began."""

    KEYS = ("flows_allowed", "flows_not_recorded", "flows_by_fail_policy")

    def __init__(self, site, instance):
        self.site, self.instance = site, instance
        self.before = self._count()

    def _count(self):
        status = self.instance.status()
        return {"asked": count_asked(self.site), **{key: status[key] for key in self.KEYS}}

    def now(self):
        return {key: count - self.before[key] for key, count in self._count().items()}


def expect_records(instance, **wanted):
    """The newest flows are ours, and each was decided by whom it should be."""
    flows = instance.ctl("flow", "list", "--limit", "100")
    expect(flows and all(flow.get(key) == value for flow in flows for key, value in wanted.items()),
           f"not every record says {wanted}: {flows[:1]}")


def rules_about_others(n):
    """That many lines about networks, programs and ports of every kind, none of them the load's."""
    kinds = (lambda i: f"deny to 198.19.{i // 256 % 256}.{i % 256}",
             lambda i: f"allow to fd00:{i:x}::/{32 + i % 33} port {1 + i % 1000}",
             lambda i: f"deny program /opt/vendor-{i}/bin/agent",
             lambda i: f"allow to domain host{i}.example.org port 443",
             lambda i: f"deny user {10000 + i} to 198.19.0.0/16 protocol udp")
    return "".join(kinds[i % len(kinds)](i) + "\n" for i in range(n))


def netext_rules(site, earlier_rules="", sets=()):
    """The firewall's rules allow every connection in the kernel; nobody is asked."""
    instance = site.stack.enter_context(netext_instance(site.lab))
    rules = pathlib.Path(instance.log).with_name("rules")
    rules.write_text(earlier_rules + FIREWALL_RULES, encoding="ascii")
    for name, lines in sets:
        content = rules.with_name(name)
        content.write_text(lines, encoding="ascii")
        instance.ctl("set", "put", name, content)
    instance.start_session("firewall", "--rules", rules)
    growth = Growth(site, instance)

    def check():
        grown = growth.now()
        expect(grown["asked"] == 0, f"{grown['asked']} packets were held, but rules should decide")
        expect(grown["flows_allowed"] + grown["flows_not_recorded"] >= site.n_connections,
               f"{site.n_connections} connections, but {grown}")
        expect_records(instance, verdict="allow", decided_by="firewall", reason="rule")

    return check


def netext_remembering(site):
    """A filter is asked about the first connections, and the kernel remembers what it said."""
    instance = site.stack.enter_context(netext_instance(site.lab))
    instance.start_session(program("filter-remember"))
    growth = Growth(site, instance)

    def check():
        grown = growth.now()
        expect(0 < grown["asked"] < site.n_connections / 10, f"asked about too many: {grown}")
        expect_records(instance, verdict="allow", decided_by="filter-remember", reason="remembered")

    return check


def netext_many_rules(n):
    """As many rules, and the one about the load is the last."""
    return lambda site: netext_rules(site, rules_about_others(n - 1))


def netext_set(n):
    """A rule about a set of as many networks, which the load's address is not in, comes first."""
    networks = "".join(f"198.19.{i // 256}.{i % 256}\n" if i < 65536 else
                       f"fd00:{i >> 16:x}:{i & 0xffff:x}::/{48 + i % 17}\n" for i in range(n))
    return lambda site: netext_rules(site, "deny to set:elsewhere\n", [("elsewhere", networks)])


def netext_inspection(*options):
    """A filter that looks at bytes."""

    def set_up(site):
        instance = site.stack.enter_context(netext_instance(site.lab))
        instance.start_session(program("filter-inspect"), *options)

        def check():
            # A stream that nobody looks at has no counts of bytes.
            expect(any(flow.get("bytes_outbound") for flow in instance.ctl("flow", "list")),
                   "no flow was carried")

        return check

    return set_up


def all_claimed(site, instance, n_times=1):
    """The check of a site: every connection was claimed, as often as there are proxies."""
    before = instance.status()["flows_claimed"]

    def check():
        claimed, wanted = instance.status()["flows_claimed"] - before, n_times * site.n_connections
        expect(claimed >= wanted, f"{claimed} of {wanted} flows were claimed")

    return check


def netext_proxy(extension):
    """An extension that claims every flow."""

    def set_up(site):
        instance = site.stack.enter_context(netext_instance(site.lab))
        instance.start_session(program(extension))
        return all_claimed(site, instance)

    return set_up


def netext_proxies(n):
    """So many in a chain: each claims the flow, connects on its behalf, and so hands it to the
    next; the last one's connection goes out."""

    def set_up(site):
        instance = site.stack.enter_context(netext_instance(site.lab))
        for number in range(1, n + 1):
            instance.start_session(program("proxy-splice"), "--file", "attach=/etc/hostname",
                                   "--name", f"proxy-{number}", "--order", number)
        return all_claimed(site, instance, n)

    return set_up


def expect_asked(site, grown):
    """All connections were asked about, and their filters answered."""
    for key in ("asked", "flows_allowed"):
        expect(grown[key] >= site.n_connections,
               f"{site.n_connections} connections, but {grown}")
    expect(grown["flows_by_fail_policy"] == 0, f"the fail policy decided some: {grown}")


def netext_filters(n):
    """hello-filter, in so many sessions with a process of its own each: all of them are asked about
    every connection, one after the other."""
    names = [f"filter-{number}" for number in range(1, n + 1)]

    def set_up(site):
        instance = site.stack.enter_context(netext_instance(site.lab))
        for number, name in enumerate(names):
            instance.start_session("hello-filter", "--name", name, "--order", number)
        pids = [instance.extension_pid(name) for name in names]
        growth, before = Growth(site, instance), [spent_by(pid) for pid in pids]

        def check():
            grown = growth.now()
            expect_asked(site, grown)
            expect(site.load is not LOADS["bulk"] or
                   grown["asked"] <= site.n_connections * ASKED_PER_STREAM_MAX,
                   f"packets of allowed streams left the kernel: {grown}")
            expect_records(instance, verdict="allow", decided_by=names[-1], reason="provider")
            wakeups = [(spent_by(pid) - earlier).wakeups for pid, earlier in zip(pids, before)]
            expect(min(wakeups) > max(wakeups) / 2, f"the filters were not asked alike: {wakeups} wake-ups")

        return check

    return set_up


# Each connection attempt stays as it is: its first segment waits for a verdict. They begin one after the
# other, so that their repeated segments do not come all at once.
WAIT = """
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.setblocking(False)
        one.connect_ex((address, port))
        time.sleep(0.001)
    print("ready", flush=True)
    sys.stdin.readline()
    answer = count
"""


def netext_pausing(n):
    """A filter that allows the load's connections, while so many others wait for it."""

    def set_up(site):
        instance = site.stack.enter_context(netext_instance(site.lab))
        instance.start_session(program("filter-pause"))
        if n > 0:
            waiting = Client(site.lab).start_python(WAIT, address=Lab.SERVER, port=PAUSED_PORT, count=n)
            Client.wait_for_ready(waiting)
        wait_until(lambda: instance.status()["flows_held"] == n, lambda: f"{n} flows were not held: {instance.status()}")
        growth = Growth(site, instance)

        def check():
            expect_asked(site, growth.now())
            held = instance.status()["flows_held"]
            expect(held == n, f"{held} of {n} flows waited to the end")

        return check

    return set_up


def netext_packets(site):
    """A packet filter allows every packet, both ways."""
    instance = site.stack.enter_context(netext_instance(site.lab))
    instance.start_session(program("filter-packets"))

    def check():
        status = instance.status()
        expect_every_datagram(site, status["packets_allowed"], "allowed")
        expect(status["packets_not_judged"] == 0, f"the fail policy decided about {status['packets_not_judged']} packets")

    return check
