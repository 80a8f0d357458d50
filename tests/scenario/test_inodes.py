# SPDX-License-Identifier: Apache-2.0
"""Rules that mean a program by its file's number, whatever that is called and wherever it is mounted."""
import os
import shutil

import pytest

from harness.client import TALK
from harness.lab import Lab

PRIVATE = ("unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec")


@pytest.fixture
def program(tmp_path):
    (tmp_path / "app").mkdir()
    shutil.copy(TALK, tmp_path / "app/talk")
    return tmp_path / "app/talk"


def number_of(path):
    found = os.stat(path)
    return f"{found.st_dev}:{found.st_ino}"


def connects(client, program, *inside):
    return '"error": null' in client.run(*inside, program, "tcp", Lab.SERVER, "80").stdout


@pytest.mark.kernel
def test_a_file_is_meant_wherever_it_is_found(netext, firewall, client, server, program, tmp_path):
    path = firewall("default deny", f"allow inode {number_of(program)} port 80")
    link, copy, there = tmp_path / "link", tmp_path / "copy", tmp_path / "there"
    os.link(program, link)
    shutil.copy(program, copy)
    there.mkdir()
    assert connects(client, program) and connects(client, link) and not connects(client, copy)
    mount = f'mount --bind {program.parent} {there}; exec "$0" "$@"'
    assert connects(client, there / "talk", *PRIVATE, mount)
    os.replace(copy, program)  # as an upgrade does
    assert not connects(client, program) and connects(client, link)
    flow = netext.flows(verdict="refuse")[-1]
    assert number_of(program) == f"{flow['program_device']}:{flow['program_inode']}"
    shown = netext.run_ctl("rules", "show", "firewall").stdout.splitlines()[1]
    assert shown.split(maxsplit=3) == [f"{path.name}:2", "allow", "4", f"inode {number_of(link)} port 80"]


def test_programs_that_ran_before_the_rule_are_known(netext, firewall, client, server, program):
    firewall("default allow")
    process = client.start_python("""
        answer = []
        for _ in range(2):
            print("ready", flush=True)
            sys.stdin.readline()
            answer.append(socket.socket().connect_ex((address, 80)))
    """, address=Lab.SERVER)
    client.wait_for_ready(process)
    process.stdin.write("\n"), process.stdin.flush()
    client.wait_for_ready(process)
    firewall("default deny", f"allow inode {number_of(f'/proc/{process.pid}/exe')} port 80", name="second")
    process.stdin.write("\n"), process.stdin.flush()
    assert client.python_answer(process) == [0, 0]
