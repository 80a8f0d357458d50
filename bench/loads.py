# SPDX-License-Identifier: Apache-2.0
"""What is sent through a site: by netext-bench-load, or HTTP by programs that everybody has.

A load starts its server, and takes a turn: what the client counted in that time,
with `errors`, and with `key` for what it is compared by. A turn without a
number of `connections` was one connection.
"""
import collections
import json
import math
import pathlib
import re
import sys
import tempfile

from packages import install

# The hermetic networks and instances are those of the scenarios.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

from harness.lab import Lab  # noqa: E402
from harness.paths import BUILD  # noqa: E402
from harness.wait import wait_until  # noqa: E402

PORT = "7000"
DATAGRAM_SIZE = 64  # of netext-bench-load


def program(name):
    return BUILD / "bench" / f"netext-bench-{name}"


def listens(namespace, port):
    return namespace.run(["ss", "-Hltn", f"sport = :{port}"]).stdout.strip()


class OwnLoad(collections.namedtuple("OwnLoad", "server_mode verb key clients options", defaults=[None, ()])):
    """Both sides by netext-bench-load."""

    def turn_seconds(self, wanted):
        return wanted

    def start_server(self, site):
        site.lab.server.start([program("load"), "server", Lab.SERVER, PORT, "--mode", self.server_mode],
                              ready="ready", cpus=site.options.server_cpus)

    def take_turn(self, site, seconds):
        clients = ["--clients", self.clients] if self.clients else []
        done = site.lab.client.run([program("load"), self.verb, Lab.SERVER, PORT, *clients, *self.options,
                                    "--seconds", seconds, *site.client_options], cpus=site.options.client_cpus)
        return {"errors": 0, **json.loads(done.stdout)}


# One process, so that it ends with its lab; no number of requests after which it would
# close a connection.
NGINX = """
daemon off;
master_process off;
pid nginx.pid;
events {{}}
http {{
        access_log off;
        keepalive_requests 1000000000;
        client_body_temp_path body;
        proxy_temp_path proxy;
        fastcgi_temp_path fastcgi;
        uwsgi_temp_path uwsgi;
        scgi_temp_path scgi;
        server {{
                listen {port};
                location / {{
                        default_type text/plain;
                        return 200 "{page}";
                }}
        }}
}}
"""
PAGE = "x" * 1024
COUNTED = re.compile(r"(?P<requests>\d+) requests in .*Requests/sec: +(?P<rate>[\d.]+)", re.DOTALL)
FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|(?:connect|read|write|timeout) (\d+)")


class HttpLoad(collections.namedtuple("HttpLoad", "clients key")):
    """HTTP/1.1 on connections that are kept: wrk asks nginx for a page of 1 KiB, again and again."""

    def turn_seconds(self, wanted):
        return math.ceil(wanted)  # wrk knows whole seconds only

    def start_server(self, site):
        install("wrk", "nginx-light")
        folder = pathlib.Path(site.stack.enter_context(tempfile.TemporaryDirectory(prefix="netext-bench-")))
        configuration = folder / "nginx.conf"
        configuration.write_text(NGINX.format(port=PORT, page=PAGE), encoding="ascii")
        site.lab.server.start(["nginx", "-p", folder, "-e", "errors", "-c", configuration],
                              cpus=site.options.server_cpus)
        wait_until(lambda: listens(site.lab.server, PORT), "nginx did not listen")

    def take_turn(self, site, seconds):
        done = site.lab.client.run(["wrk", "--threads", min(2, self.clients), "--connections", self.clients,
                                    "--duration", f"{seconds}s", f"http://{Lab.SERVER}:{PORT}/"],
                                   cpus=site.options.client_cpus)
        counted = COUNTED.search(done.stdout)
        if not counted or int(counted["requests"]) == 0:
            raise RuntimeError(f"wrk got no answer:\n{done.stdout}{done.stderr}")
        errors = sum(int(number) for found in FAILED.findall(done.stdout) for number in found if number)
        return {"errors": errors, "connections": self.clients, "requests": int(counted["requests"]),
                "rate": float(counted["rate"])}


IDLE_BETWEEN = ("--pause", "1000")  # µs: long enough for every CPU to go idle
LOADS = {
    "connect-1": OwnLoad("echo", "connect", "rate", 1),
    "connect-16": OwnLoad("echo", "connect", "rate", 16),
    "latency-1": OwnLoad("echo", "connect", "connect_p99_us", 1),
    "latency-16": OwnLoad("echo", "connect", "connect_p99_us", 16),
    "paced-p50": OwnLoad("echo", "connect", "connect_p50_us", 1, IDLE_BETWEEN),
    "paced-p99": OwnLoad("echo", "connect", "connect_p99_us", 1, IDLE_BETWEEN),
    "http-16": HttpLoad(16, "rate"),
    "bulk": OwnLoad("sink", "bulk", "gbit_per_s"),
    "udp-1": OwnLoad("udp", "udp", "rate", 1),
    "udp-64": OwnLoad("udp", "udp", "rate", 64),
}
CONNECT_LOADS, UDP_LOADS = ("connect-1", "connect-16"), ("udp-1", "udp-64")
TCP_LOADS = (*CONNECT_LOADS, "bulk")
