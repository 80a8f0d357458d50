# SPDX-License-Identifier: Apache-2.0
"""examples/sni-switch takes TLS by the server's name in its first bytes, and nobody notices (D04)."""
import ssl
import subprocess

import pytest

from harness.lab import Lab
from harness.paths import EXTENSIONS
from harness.wait import wait_until

N_SESSIONS, SIZE = 40, 100_000

# Every second one is to a name of the list. Some hellos are longer than a segment.
TALK = """
    import hashlib, ssl
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    answer = []
    for number in range(count):
        words = hashlib.shake_256(bytes([number])).digest(size)
        context.set_alpn_protocols(["x" * 250] * (number % 8))
        name = f"n{number}.listed.example" if number % 2 else f"n{number}.other.example"
        with socket.create_connection((address, 443), 10) as stream:
            port = stream.getsockname()[1]
            with context.wrap_socket(stream, server_hostname=name) as connection:
                connection.sendall(words)
                heard = b""
                while len(heard) < size:
                    heard += connection.recv(65536) or b"?" * size
                answer.append([name, port, heard == words])
"""


@pytest.fixture
def certificate(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=test", "-keyout", tmp_path / "key", "-out", tmp_path / "certificate"],
                   check=True, capture_output=True)
    return tmp_path / "certificate", tmp_path / "key"


@pytest.fixture
def tls_server(peer, certificate):
    """Says what it hears."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as stream:
            n_left = SIZE
            while n_left > 0:
                words = stream.recv(65536)
                assert words
                stream.sendall(words)
                n_left -= len(words)

    return peer(443, serve)


@pytest.mark.parametrize("address", (Lab.SERVER, Lab.SERVER6))
def test_tls_is_claimed_by_its_name_or_goes_on_untouched(netext, client, tls_server, rules, address):
    names = rules("listed.example", "another.example", name="names")
    netext.start_session(EXTENSIONS / "sni-switch", "--file", f"names={names}")
    answers = client.python(TALK, address=address, count=N_SESSIONS, size=SIZE)
    wrong = [(name, port) for name, port, is_same in answers if not is_same]
    assert len(answers) == N_SESSIONS and not wrong
    for name, port, _ in answers:
        flow = wait_until(lambda: netext.flows(local_port=port), "no record")[-1]
        assert flow["verdict"] == ("claim" if "listed" in name else "allow"), (name, flow)
    wait_until(lambda: tls_server.results == [None] * N_SESSIONS, lambda: tls_server.results)
