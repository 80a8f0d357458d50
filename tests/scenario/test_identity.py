# SPDX-License-Identifier: Apache-2.0
"""Who it is, beyond its path: who started it, who is responsible, and what is in its executable."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import textwrap

import pytest

from harness.client import TALK
from harness.lab import Lab

BASH, SH, HARNESS = (os.path.realpath(path) for path in ("/bin/bash", "/bin/sh", "/proc/self/exe"))
SAY = f"{TALK} tcp {Lab.SERVER} 80"
OPEN = f"exec 3<>/dev/tcp/{Lab.SERVER}/80"


def told(netext, **wanted):
    flow = netext.flow(**wanted)
    return flow["parents"].split("\n"), flow["responsible_program"], flow["responsible_pid"]


def test_a_shell_acts_for_who_started_it(netext, client, server):
    assert client.run(SH, "-c", f"{SAY}; :").returncode == 0
    parents, responsible, pid = told(netext, program=str(TALK))
    assert parents[:2] == [SH, HARNESS] and (responsible, pid) == (str(TALK), netext.flow()["pid"])

    assert client.run(BASH, "-c", f"{BASH} -c '{OPEN}'; :").returncode == 0
    parents, responsible, pid = told(netext, program=BASH)
    assert parents[:2] == [BASH, HARNESS] and (responsible, pid) == (HARNESS, os.getpid())

    flow = netext.flow(program=BASH)
    assert "package" not in netext.ctl("flow", "explain", netext.flow(program=str(TALK))["flow"])
    named = f"bash[{flow['pid']}] ({pathlib.Path(HARNESS).name})"
    assert named in netext.run_ctl("flow", "list").stdout
    listed = {flow["program"]: flow for flow in netext.ctl("flow", "list", "--packages")}
    assert listed[BASH]["package"] == "bash" and "package" not in {**flow, **listed[str(TALK)]}
    named = f"bash[{flow['pid']}] of bash ({pathlib.Path(HARNESS).name})"
    assert named in netext.run_ctl("flow", "list", "--packages").stdout
    explained = netext.run_ctl("flow", "explain", flow["flow"]).stdout
    assert f"parents   {BASH}, {HARNESS}" in explained
    assert "package   bash" in explained
    assert f"acts for  {HARNESS}, process {os.getpid()}" in explained


@pytest.mark.kernel
def test_a_path_that_is_too_long_is_known_by_its_end(netext, client, server, tmp_path):
    folder = tmp_path.joinpath(*(["long" * 50] * 8))
    folder.mkdir(parents=True)
    for name in ("bash", "also"):
        shutil.copy(BASH, folder / name)
        assert client.run(folder / name, "-c", OPEN).returncode == 0
    programs = [flow["program"] for flow in netext.flows()]
    assert sorted(path.rsplit("/", 1)[1] for path in programs) == ["also", "bash"]
    for path in programs:
        assert path.startswith("…/longlong") and len(path) > 400
        assert str(folder).endswith(path.removeprefix("…").rsplit("/", 1)[0])
    assert not any(flow["program_path_trusted"] for flow in netext.flows())


@pytest.mark.kernel
def test_a_program_that_lies_in_no_folder_has_its_name(netext, client, server):
    """A container's runtime is one: it executes a copy of itself from memory. A mount without a place has none."""
    memory = """
        fd = os.memfd_create("runtime")
        os.write(fd, open(bash, "rb").read())
    """
    mount = """
        import ctypes
        fd = ctypes.CDLL(None).syscall(428, -100, bash.encode(), 1)  # open_tree(2), OPEN_TREE_CLONE
    """
    spawn = 'answer = os.spawnv(os.P_WAIT, f"/proc/self/fd/{fd}", ["bash", "-c", command])'
    for make, path in ((memory, "/memfd:runtime"), (mount, "")):
        for command in (SAY, OPEN):
            assert client.python(textwrap.dedent(make) + spawn, bash=BASH, command=f"{command}; :") == 0
        flow = netext.flow(program=path)
        assert not flow["program_path_trusted"] and flow["responsible_program"] == path
    parents = [flow["parents"].split("\n")[:2] for flow in netext.flows(program=str(TALK))]
    assert parents == [["/memfd:runtime", HARNESS], ["?", HARNESS]]
    assert "program   path unknown" in netext.run_ctl("flow", "explain", flow["flow"]).stdout


def test_what_calls_itself_a_shell_is_none(netext, client, server, tmp_path):
    """Neither one that lies elsewhere, nor one in a namespace where anybody can put anything anywhere."""
    fake = tmp_path / "bash"
    fake.write_bytes(pathlib.Path(BASH).read_bytes())
    fake.chmod(0o755)
    assert client.run(fake, "-c", OPEN).returncode == 0
    assert told(netext, program=str(fake))[1] == str(fake)
    client.run("unshare", "--user", "--map-root-user", "--mount", SH, "-c",
               f"mount --bind {TALK} {BASH} && exec {BASH} tcp {Lab.SERVER} 80")
    assert told(netext, program=BASH)[1] == BASH


def test_the_administrator_says_what_a_launcher_is(instances, client, server):
    netext = instances(arguments=["--launchers", f"bash,{TALK}"])
    assert client.run(SH, "-c", f"{SAY}; :").returncode == 0
    assert told(netext, program=str(TALK))[1] == SH


def test_what_is_in_the_executable_is_read_for_who_asks(netext, client, server, tmp_path):
    """And for nobody else; not any more, where it has ended before."""
    talk = tmp_path / "talk"
    talk.write_bytes(TALK.read_bytes() + b"unique")
    talk.chmod(0o755)
    ended = client.tcp(80, program=talk)
    gone = netext.ctl("flow", "explain", netext.flow(pid=ended.pid)["flow"])
    process = client.start_python("""
        connection = socket.create_connection(("198.18.0.2", 80)); print("ready", flush=True); input(); answer = None""")
    client.wait_for_ready(process)
    flow = netext.flow(pid=process.pid)
    explained = netext.ctl("flow", "explain", flow["flow"])
    digest = "sha256:" + hashlib.sha256(pathlib.Path(f"/proc/{process.pid}/exe").read_bytes()).hexdigest()
    assert "program_digest" not in flow and explained["program_digest"] == digest
    assert "program_digest" not in gone
    process.kill()
