# SPDX-License-Identifier: Apache-2.0
"""A program that binds its socket to an interface, as anybody may, is past no proxy and no inspection."""
from harness.lab import Lab

# Says hello, and then what nobody is to hear; what it is told, or its error.
SAY = """
ours = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET,
                     socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
ours.settimeout(5 if protocol == "tcp" and begins_bound else 0.3)  # to a bound one of UDP, IPv4 says nothing
bind = lambda: ours.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"veth0")
try:
    if begins_bound:
        bind()
    ours.connect((to, port))
    ours.sendall(b"hello")
    answer = ours.recv(100).decode()
    bind()
    ours.sendall(b"hidden")
    answer += ours.recv(100).decode()
except OSError as error:
    answer = errno.errorcode.get(error.errno, "silence")
"""


def test_who_binds_his_socket_to_an_interface_gets_past_nobody(netext, proxy, inspecting, client, serve):
    """Whatever is bound cannot be delivered, whether it is bound as its flow begins or later. What is declined goes on."""
    servers = [serve(port) for port in (80, 81, 82)]
    serve(83)
    proxy("80 echo", "81 peek 2 echo", "* decline", fail_policy="closed")
    inspecting("82 watch", fail_policy="closed")

    def say(begins_bound):
        return client.python(SAY, protocol=protocol, to=to, port=port, begins_bound=begins_bound)

    for protocol, port, to in [(protocol, port, to) for protocol, ports in (("tcp", (80, 81, 82)), ("udp", (80, 82)))
                               for port in ports for to in (Lab.SERVER, Lab.SERVER6)]:
        assert say(True) in ("ECONNREFUSED", "silence"), (protocol, port, to)
        flow = netext.flow(protocol=protocol, remote_port=port, remote_address=to)
        assert (flow["reason"], flow["interface"]) == ("not-inspectable", "veth0"), flow
        if port == 80:
            assert say(False) in ("EPERM", "silence"), (protocol, to)
    port = 83
    assert say(True) == "hellohidden"
    assert [server.seen for server in servers] == [[], [], []]
