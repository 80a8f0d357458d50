# SPDX-License-Identifier: Apache-2.0
"""What a scenario is given by name: a lab, an instance in it, and what they are asked to do.

Everything is named after a hash of the test, so that all run in parallel, and
every instance checks at its end that it left nothing behind (harness/instance.py).
"""
import contextlib
import hashlib
import os
import pathlib
import subprocess
import tempfile

import pytest

from harness.client import Client, PYTHON
from harness.echo import Echo
from harness.instance import Instance
from harness.lab import Lab
from harness.namespace import wait_for_line
from harness.paths import BUILD, PROGRAMS, SOURCE
from harness.peer import Peer
from harness.polkit import SystemBus
from harness.prompt import Prompt
from harness.sanitizer import SANITIZED, collected, take_reports
from harness.service import Caller, Listener, Service, Visitor
from harness.store import Store, Workshop
from harness.tunnel import Tunnel
from harness.upstream import KINDS

TRAFFIC = SOURCE / "tests/harness/programs/traffic.py"
PATIENCE_MS = 10000  # a busy machine is no silent extension: where a scenario is about that, it says how long


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets a fixture see whether its test failed: item.failed."""
    report = (yield).get_result()
    item.failed = getattr(item, "failed", False) or report.failed


@pytest.fixture(scope="session")
def reports():
    """Where sanitized programs write what they have to report."""
    with collected() if SANITIZED else contextlib.nullcontext() as folder:
        yield folder


@pytest.fixture(autouse=True)
def nothing_reported(reports):
    """The first to be set up, so it looks when everything has ended."""
    yield
    if reports:
        found = take_reports(reports)
        assert not found, "\n".join(found)


@pytest.fixture
def name(request):
    """Of the test, and of the build: two checkouts can run their tests at the same time."""
    return "t-" + hashlib.sha256(f"{BUILD} {request.node.nodeid}".encode()).hexdigest()[:10]


@pytest.fixture
def lab(name):
    with Lab(f"netext-{name}") as made:
        yield made


@pytest.fixture
def instances(request, lab, name, tmp_path):
    """Starts instances: instances() the first, instances("b") one more."""
    with contextlib.ExitStack() as stack:
        started = []

        def start(suffix="", **kwargs):
            instance = Instance(lab, name + suffix, tmp_path / f"netextd{suffix}.log", **kwargs)
            started.append(instance)
            stack.callback(instance.abandon)
            return instance.start()

        yield start
        for instance in reversed(started):
            if getattr(request.node, "failed", False):
                print(f"--- messages of {instance.name}\n{instance.messages()}")
            instance.stop()


@pytest.fixture
def netext(instances):
    """One instance for the programs of the lab's client."""
    return instances()


@pytest.fixture
def workshop(tmp_path):
    """Makes bundles, and is the state, policy and trust of the instance they are for; see harness/store.py."""
    with tempfile.TemporaryDirectory(prefix="netext-") as place:
        os.chmod(place, 0o711)
        made = Workshop(tmp_path, pathlib.Path(place) / "state")
        made.trust_signer()
        yield made


@pytest.fixture
def store(workshop, instances):
    """The extension verbs of an instance whose store is the workshop's; store.instance is that."""
    return Store(instances(arguments=workshop.arguments))


@pytest.fixture
def system_bus(lab):
    """A system bus of the test's own; see harness/polkit.py."""
    with SystemBus(lab) as bus:
        yield bus


@pytest.fixture
def client(lab):
    return Client(lab)


@pytest.fixture
def traffic(lab, client):
    """traffic("connect:80", "stream:81") of the client while the block runs, all of which has to go well.

    What the block is given is empty until it has ended; see harness/programs/traffic.py.
    """

    @contextlib.contextmanager
    def run(*what):
        process = lab.client.start([PYTHON, "-I", TRAFFIC, Lab.SERVER, *what], stdin=subprocess.PIPE)
        wait_for_line(process, "ready", 20)
        workers = []
        yield workers
        process.stdin.close()
        workers += client.python_answer(process, 40)
        assert not [one for one in workers if one["error"]], workers

    return run


@pytest.fixture
def serve(lab):
    """serve(80) answers on TCP and UDP port 80 of the server; serve(80, lab.client) at home."""
    with contextlib.ExitStack() as stack:
        yield lambda port, where=None: stack.enter_context(contextlib.closing(Echo(where or lab.server, port)))


@pytest.fixture
def peer(lab):
    """peer(80, serve) runs serve(connection) for each that comes to port 80 of the server."""
    with contextlib.ExitStack() as stack:
        yield lambda port, serve, where=None: stack.enter_context(
            contextlib.closing(Peer(where or lab.server, port, serve)))


@pytest.fixture
def server(serve):
    """What most scenarios talk to: port 80 of the server."""
    return serve(80)


@pytest.fixture
def service(lab):
    """service(80) starts a server among the instance's programs, which sends back what it hears."""
    return lambda port, *args, **kwargs: Service(lab, port, *args, **kwargs)


@pytest.fixture
def visit(lab):
    """visit(80) says hello to it from the other host; what that heard, or its error's name."""
    return Visitor(lab)


@pytest.fixture
def listener(lab):
    """listener(80) starts a server of datagrams among the instance's programs, which sends back what it hears."""
    return lambda port, *args, **kwargs: Listener(lab, port, *args, **kwargs)


@pytest.fixture
def call(lab):
    """call(80) sends it a datagram from the other host; what that heard, or its error's name."""
    return Caller(lab)


@pytest.fixture
def tunnel(lab):
    """A second way to the server, which nobody takes who does not ask for it; see harness/tunnel.py."""
    return Tunnel(lab)


@pytest.fixture
def resolver(lab, tmp_path):
    """dnsmasq on the server: everything below example.test is the server itself."""
    options = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
               "--bind-interfaces", f"--listen-address={Lab.SERVER},{Lab.SERVER6}", "--user=root",
               f"--address=/example.test/{Lab.SERVER}", f"--address=/example.test/{Lab.SERVER6}",
               f"--address=/other.test/{Lab.SERVER}", f"--pid-file={tmp_path}/dnsmasq.pid"]
    with open(tmp_path / "dnsmasq.log", "w", encoding="utf-8") as log:
        lab.server.start(["dnsmasq", *options], cgroup=lab.cgroup.path.parent, stdout=log, stderr=log)

    def resolve(name, kind="A", server=Lab.SERVER):
        done = lab.client.run(["dig", f"@{server}", "+short", "+tries=5", "+time=1", kind, name])
        return done.stdout.strip()

    return resolve


@pytest.fixture
def rules(tmp_path):
    """rules("deny port 25", …) writes the firewall's rule file and returns its path."""

    def write(*lines, name="rules"):
        path = tmp_path / name
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    return write


def follows_script(netext, rules, program, **defaults):
    """Starts sessions of a program that does what its script says; `rewrite` gives a running one another."""

    def script(*lines, name=program):
        return rules(*lines, name=f"script-{name}")

    def start(*lines, **options):
        options = {"verdict_timeout": PATIENCE_MS, **defaults, **options}
        arguments = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        path = script(*lines, name=options.get("name", program))
        netext.start_session(PROGRAMS / program, "--file", f"script={path}", *arguments)

    start.rewrite = script
    return start


@pytest.fixture
def scripted(netext, rules):
    """scripted("80 refuse", fail_policy="closed") starts the scripted filter."""
    return follows_script(netext, rules, "scripted")


@pytest.fixture
def proxy(netext, rules):
    """proxy("80 splice", kind="app-proxy", name="b") starts a scripted proxy."""
    return follows_script(netext, rules, "scripted-proxy", name="scripted-proxy", kind="transparent-proxy")


@pytest.fixture
def inspecting(netext, rules):
    """inspecting("80 watch", name="b") starts a filter that looks at bytes."""
    return follows_script(netext, rules, "inspecting", name="inspecting")


@pytest.fixture
def packets(netext, rules):
    """packets("out veth0 17 any", fail_policy="closed") starts a packet filter that does what packets say."""
    return follows_script(netext, rules, "packets", name="packets", kind="packet-filter")


@pytest.fixture
def firewall(netext, rules):
    """firewall("deny port 25", …) starts the bundled firewall with these rules; returns their file."""

    def start(*lines, **options):
        path = rules(*lines)
        options = {"verdict_timeout": PATIENCE_MS, **options}
        arguments = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        netext.start_session("firewall", "--rules", path, *arguments)
        return path

    return start


@pytest.fixture
def prompt(netext):
    """prompt() attaches `netextctl ask --json`, prompt(Terminal) one at a terminal."""
    with contextlib.ExitStack() as stack:
        yield lambda kind=Prompt: stack.enter_context(contextlib.closing(kind(netext)))


@pytest.fixture
def relay(netext, rules):
    """relay("default direct", …, secret="user:password") starts the bundled relay; returns its rule file."""

    def start(*lines, secret=None):
        path = rules(*lines)
        files = ["--file", f"secret={rules(secret, name='secret')}"] if secret else []
        netext.start_session("relay", "--rules", path, "--verdict-timeout", PATIENCE_MS, *files)
        return path

    return start


@pytest.fixture
def upstream(lab, tmp_path):
    """upstream("socks5", 1080, credentials=("user", "password")) starts a real proxy beside the server."""
    with contextlib.ExitStack() as stack:
        yield lambda kind, port=1080, **kwargs: stack.enter_context(KINDS[kind](lab, port, tmp_path, **kwargs))


@pytest.fixture
def silent(peer):
    """An upstream on port 1080 that never answers: `came` are its connections, `results` of those that ended."""

    def serve(connection):
        started.came.append(connection)
        while connection.recv(1000):
            pass

    started = peer(1080, serve)
    started.came = []
    return started
