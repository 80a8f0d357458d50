# SPDX-License-Identifier: Apache-2.0
"""Rules about a unit of the system's systemd: the first cgroup of a path that is no slice."""
import contextlib

import pytest

from harness.cgroup import Cgroup
from harness.paths import CGROUP2

pytestmark = pytest.mark.xdist_group("root-cgroup")


@pytest.fixture
def netext(instances):
    return instances(cgroup=str(CGROUP2))


@pytest.fixture
def cgroup(name):
    """cgroup("a/b") makes these in a slice of the test's own."""
    with contextlib.closing(Cgroup(f"{name}.slice")) as top:

        def make(path):
            (top.path / path).mkdir(parents=True, exist_ok=True)
            return top.path / path

        yield make


INSIDE = ("web.service", "web.service/worker", "netext-web.slice/web.service")
OUTSIDE = ("web", "xweb.service", "web.servicex", "other.service/web.service", "user@1000.service/app.slice/web.service")


def test_a_unit_is_meant_in_whichever_slice_it_is(netext, firewall, client, server, cgroup):
    firewall("deny unit web.service port 80")
    for paths, error in ((INSIDE, "EPERM"), (OUTSIDE, None)):
        for path in paths:
            assert client.tcp(80, cgroup=cgroup(path)).error == error, path
            assert client.udp(80, cgroup=cgroup(path)).error == error, path


def test_a_proxy_takes_the_flows_of_a_unit_and_of_a_cgroup(netext, relay, client, server, upstream, cgroup, name):
    proxy = upstream("socks5")
    relay(proxy.line("office"), "via office unit web.service", f"via office cgroup /{name}.slice/a")
    for n, path in enumerate(INSIDE + ("a", "a/b"), 1):
        assert client.tcp(80, cgroup=cgroup(path)).error is None and proxy.reached(80) == n, path
    for path in OUTSIDE + ("aa",):
        assert client.tcp(80, cgroup=cgroup(path)).error is None and proxy.reached(80) == n, path


def test_names_of_all_lengths(netext, firewall, client, server, cgroup):
    for size in (10, 15, 16, 17, 255):
        unit = "n" * (size - len(".service")) + ".service"
        firewall(f"deny unit {unit} port 80", name=f"firewall-{size}")
        assert client.tcp(80, cgroup=cgroup("n.service")).error is None
        assert client.tcp(80, cgroup=cgroup(unit)).error == "EPERM", size


def test_the_record_says_the_unit_and_the_container(netext, client, server, cgroup):
    container = f"docker-{'0a' * 32}.scope"
    for path, unit, name in (("web.service/worker", "web.service", None), (container, container, f"docker:{'0a' * 32}"),
                             ("lxc/web/web.service", None, "lxc:web"), ("web", None, None)):
        flow = netext.flow(pid=client.tcp(80, cgroup=cgroup(path)).pid)
        assert (flow.get("unit"), flow.get("container")) == (unit, name), path
    explained = netext.run_ctl("flow", "explain", netext.flow(unit=container)["flow"]).stdout
    assert f"container docker:{'0a' * 32}" in explained
