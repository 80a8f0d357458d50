# SPDX-License-Identifier: Apache-2.0
"""A domain rule covers the name and all below it, by what the programs resolved."""
import pytest

from harness.lab import Lab


@pytest.mark.kernel
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


@pytest.mark.kernel
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


def test_ten_thousand_rules_and_the_last_one_is_met(netext, firewall, client, server, resolver):
    others = [f"allow to domain host{i}.example.test port 80" for i in range(9_000)]
    others += [f"deny to 198.19.{i // 256}.{i % 256} port 80" for i in range(998)]
    firewall(*others, "deny to example.test port 80", "allow port 81")
    assert client.tcp(80).error is None
    assert resolver("host8999.example.test") == Lab.SERVER
    assert client.tcp(80).error is None and netext.flow(remote_port=80, reason="rule")["rule"] == "rules:9000"
    assert resolver("ads.example.test", "AAAA", Lab.SERVER6) == Lab.SERVER6
    assert client.tcp(80, Lab.SERVER6).error == "EPERM"
    assert netext.flow(remote_port=80, verdict="refuse")["rule"] == "rules:9999"
