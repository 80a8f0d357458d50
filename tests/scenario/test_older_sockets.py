# SPDX-License-Identifier: Apache-2.0
"""Sockets that are older than the instance are neither cut nor missed."""


def test_traffic_goes_on_while_an_instance_comes_and_goes(instances, lab, client, server, rules):
    process = client.start("tcp", lab.SERVER, 80, "-n", "150")
    udp = client.start("udp-connected", lab.SERVER, 80, "-n", "150")
    netext = instances()
    netext.start_session("firewall", "--rules", rules("default allow"))
    flows = netext.flows()
    netext.stop_session("firewall")
    netext.stop()
    for older in (process, udp):
        answer = client.answer(older)
        assert (answer.answers, answer.error) == (150, None), f"{answer} {flows}"


def test_an_older_udp_socket_is_asked_about(instances, lab, client, server, rules):
    process = client.start("udp", lab.SERVER, 80, "-n", "10000", "-t", "1000")
    netext = instances()
    netext.start_session("firewall", "--rules", rules("deny port 80"))
    assert client.answer(process, 30).error in ("EPERM", "ECONNREFUSED", "ETIMEDOUT")
    assert netext.flows(remote_port=80, verdict="refuse"), netext.flows()
