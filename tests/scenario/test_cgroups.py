# SPDX-License-Identifier: Apache-2.0
"""Rules about a cgroup: a unit or a container, whatever programs are in it."""
import errno
import json
import os
import pathlib
import subprocess

import pytest

from harness.paths import NETEXTCTL


@pytest.fixture
def cgroup(lab):
    """cgroup("a/b") makes these below the cgroup of the client's programs."""

    def make(path):
        (lab.cgroup.path / path).mkdir(parents=True, exist_ok=True)
        return lab.cgroup.path / path

    return make


@pytest.mark.kernel
def test_a_rule_is_about_a_cgroup_and_what_is_below_it(lab, firewall, client, server, cgroup):
    firewall(f"deny cgroup {lab.cgroup.name}/a port 80")
    for path, error in (("a", "EPERM"), ("a/inner", "EPERM"), ("b", None), ("b/a", None), ("aa", None)):
        assert client.tcp(80, cgroup=cgroup(path)).error == error, path
        assert client.udp(80, cgroup=cgroup(path)).error == error, path
    assert client.tcp(80).error is None


@pytest.mark.kernel
def test_names_of_all_lengths(lab, firewall, client, server, cgroup):
    """They are hashed by words of eight bytes."""
    for size in (1, 7, 8, 9, 16, 255):
        name = "n" * size
        firewall(f"deny cgroup {lab.cgroup.name}/{name}/x port 80", name=f"firewall-{size}")
        assert client.tcp(80, cgroup=cgroup(name)).error is None
        assert client.tcp(80, cgroup=cgroup(f"{name}/x")).error == "EPERM", size


def test_nobody_nests_out_of_a_rule(lab, firewall, client, server, cgroup):
    firewall(f"deny cgroup {lab.cgroup.name}/a port 80")
    assert client.tcp(80, cgroup=cgroup("a/" + "/".join(["d"] * 45))).error == "EPERM"
    assert client.tcp(80, cgroup=cgroup("a/" + "/".join(["long" * 60] * 5))).error == "EPERM"


def test_a_program_counts_where_it_is_now(lab, firewall, client, server, cgroup):
    firewall(f"deny cgroup {lab.cgroup.name}/a port 80")
    answer = client.python("""
        answer = []
        for folder in folders:
            with open(folder + "/cgroup.procs", "w") as procs:
                procs.write("0")
            try:
                socket.create_connection((server, 80)).close()
                answer.append(None)
            except OSError as error:
                answer.append(errno.errorcode[error.errno])
    """, folders=[str(cgroup(path)) for path in ("b", "a", "b", "a/c")], server=lab.SERVER)
    assert answer == [None, "EPERM", None, "EPERM"]


def test_an_app_proxy_gets_the_flows_of_one_unit(lab, netext, proxy, client, server, cgroup):
    proxy("80 splice", f"include {lab.cgroup.name}/a", kind="app-proxy")
    for path, verdict in (("a", "claim"), ("a/inner", "claim"), ("b", "allow")):
        answer = client.tcp(80, cgroup=cgroup(path))
        assert answer.error is None
        assert netext.flow(local_port=answer.local_port)["verdict"] == verdict, path


def test_a_flow_that_is_carried_on_is_its_origin_s(lab, netext, proxy, client, server, cgroup):
    proxy("80 claim", "attach yes", name="first")
    proxy("80 splice", f"include {lab.cgroup.name}/a", name="second", order=1)
    for path, deciders in (("a", ["first", "second"]), ("b", ["first"])):
        answer = client.tcp(80, cgroup=cgroup(path))
        assert answer.error is None
        origin = netext.flow(local_port=answer.local_port)
        carried = netext.flows(origin_flow=origin["flow"])
        claimed = [flow["decided_by"] for flow in (origin, *carried) if flow["verdict"] == "claim"]
        assert claimed == deciders, path


def forget_cgroups(instance):
    """As if so many others had come meanwhile that their records took the place."""
    folders = (pathlib.Path("/run/netext", instance, "bpf"), pathlib.Path("/sys/fs/bpf/netext", instance))
    cgroups = next(folder / "map_cgroups" for folder in folders if (folder / "map_cgroups").exists())
    dump = subprocess.run(["bpftool", "--json", "map", "dump", "pinned", cgroups], check=True, capture_output=True)
    for entry in json.loads(dump.stdout):
        subprocess.run(["bpftool", "map", "delete", "pinned", cgroups, "key", *entry["key"]], check=True)


def test_a_record_that_was_pushed_out_is_made_again(lab, netext, firewall, client, server, cgroup):
    firewall(f"deny cgroup {lab.cgroup.name}/a port 80")
    program = client.start_python("""
        with open(folder + "/cgroup.procs", "w") as procs:
            procs.write("0")
        answer = []
        for _ in range(2):
            answer.append(socket.socket().connect_ex((server, 80)))
            print("ready", flush=True)
            sys.stdin.readline()
    """, folder=str(cgroup("a")), server=lab.SERVER)
    client.wait_for_ready(program)
    forget_cgroups(netext.name)
    program.stdin.write("\n")
    program.stdin.flush()
    client.wait_for_ready(program)
    program.stdin.write("\n")
    program.stdin.flush()
    assert client.python_answer(program) == [errno.EPERM, errno.EPERM]


WITHOUT = {"NETEXT_WITHOUT": "cgroup-levels"}  # as before Linux 6.1


@pytest.mark.parametrize("extension, rule", [("firewall", "deny cgroup /a port 80"), ("firewall", "deny unit a.service"),
                                             ("relay", "direct cgroup /a")])
def test_a_rule_that_this_kernel_cannot_match_is_refused(instances, rules, extension, rule):
    netext = instances(environment=WITHOUT)
    path = rules("# first", rule)
    done = netext.run_ctl("session", "start", extension, "--rules", path)
    assert done.returncode == 1
    assert f"the rule {path.name}:2 is about a cgroup or a unit" in done.stderr and "Linux 6.1" in done.stderr
    assert [one for one in netext.sessions() if one["state"] == "running"] == []


def test_the_old_rules_stay_where_this_kernel_cannot_match_the_new(instances, rules, client, server):
    netext = instances(environment=WITHOUT)
    path = rules("deny port 80")
    netext.start_session("firewall", "--rules", path)
    rules("allow port 80", f"deny cgroup {client.lab.cgroup.name}")
    netext.wait_for_message("firewall", "could not be put in force: Operation not supported")
    assert f"the rule {path.name}:2 is about a cgroup or a unit" in netext.messages()
    assert client.tcp(80).error == "EPERM"


def test_doctor_tells_that_this_kernel_cannot_match_them(lab):
    done = lab.client.run([NETEXTCTL, "doctor", "--json"], check=False, cgroup=lab.cgroup.path.parent,
                          env={**os.environ, **WITHOUT})
    row, = [one for one in json.loads(done.stdout) if one["mechanism"] == "cgroup-levels"]
    assert done.returncode == 0 and row["state"] == "missing"
    assert "before 6.1" in row["why"] and "do not start" in row["lost"]
