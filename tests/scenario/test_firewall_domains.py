# SPDX-License-Identifier: Apache-2.0
"""A domain rule covers the name and all below it, by what the programs resolved."""
import pytest

from harness.lab import Lab


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


def test_a_domain_and_what_is_below_it(netext, firewall, client, server, resolver):
    firewall("deny to example.test port 80")
    assert client.tcp(80).error is None  # nobody asked for the name yet
    assert resolver("ads.example.test") == Lab.SERVER
    assert client.tcp(80).error == "EPERM"
    flow = netext.flow(remote_port=80, verdict="refuse")
    assert flow["remote_name"] == "ads.example.test"


def test_another_domain_is_not_meant(netext, firewall, client, server, resolver):
    firewall("deny to example.test port 80")
    assert resolver("notexample.other.test") == Lab.SERVER
    assert client.tcp(80).error is None


def test_ipv6_answers_and_dns_over_ipv6(netext, firewall, client, server, resolver):
    firewall("deny to domain example.test port 80")
    assert resolver("www.example.test", "AAAA", Lab.SERVER6) == Lab.SERVER6
    assert client.tcp(80, Lab.SERVER6).error == "EPERM"
    assert client.tcp(80, Lab.SERVER).error is None


def test_a_provider_is_told_the_name(netext, scripted, client, server, resolver):
    scripted("* allow")
    resolver("Web.Example.Test")
    client.tcp(80)
    assert netext.flow(remote_port=80)["remote_name"].lower() == "web.example.test"
