# SPDX-License-Identifier: Apache-2.0
"""Rules that mean a program by what is in its executable, wherever that lies."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from harness.client import TALK, TRANSPORTS
from harness.lab import Lab
from harness.wait import wait_until


def digest_of(path):
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def copy(tmp_path):
    """Makes another program that talks: what is behind its end, nobody runs."""
    def make(name, more=b""):
        path = tmp_path / name
        path.write_bytes(TALK.read_bytes() + more)
        path.chmod(0o755)
        os.utime(path)
        return path
    yield make


@pytest.mark.parametrize("protocol, address", TRANSPORTS)
def test_the_content_decides_and_not_the_path(netext, firewall, client, server, copy, protocol, address):
    same, other = copy("same"), copy("other", b"\0")
    firewall("default deny", f"allow digest {digest_of(TALK)}")
    assert client.talk(protocol, address, 80, program=same).error is None
    assert client.talk(protocol, address, 80).error is None
    # The first time it is refused by its packet, of which a UDP socket without a peer hears nothing.
    first = client.talk(protocol, address, 80, "-t", "100", program=other)
    assert first.error is not None and netext.flow(pid=first.pid)["verdict"] == "refuse"
    assert client.talk(protocol, address, 80, program=other).error in ("EPERM", "ECONNREFUSED")
    assert netext.flow(program=str(same))["reason"] == "rule"


@pytest.mark.kernel
def test_the_first_flow_of_a_program_is_denied_by_its_content(netext, firewall, client, server, copy):
    bad = copy("bad", b"bad")
    path = firewall(f"deny digest {digest_of(bad)} port 80")
    assert client.tcp(80, program=bad).error in ("EPERM", "ECONNREFUSED")
    assert client.tcp(80, program=bad).error == "EPERM"  # known by now
    assert client.tcp(80).error is None
    assert netext.flow(program=str(bad), pid=client.tcp(80, program=bad).pid)["rule"] == f"{path.name}:1"


def test_a_new_content_of_the_same_file_is_another_program(netext, firewall, client, server, copy):
    program = copy("program")
    firewall("default deny", f"allow digest {digest_of(program)}")
    assert client.tcp(80, program=program).error is None
    before = program.stat()
    with program.open("ab") as file:
        file.write(b"\0")
    os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert program.stat().st_ino == before.st_ino
    assert client.tcp(80, program=program).error is not None


def test_the_record_says_the_digest(netext, firewall, client, server):
    firewall("default deny", f"allow digest {digest_of(TALK)}")
    for _ in range(2):  # asked for, and known
        pid = client.tcp(80).pid
        flow = netext.flow(pid=pid)
        assert flow["program_digest"] == digest_of(TALK)
    assert digest_of(TALK) in netext.run_ctl("flow", "explain", flow["flow"]).stdout


def test_nobody_reads_executables_without_such_rules(netext, firewall, client, server):
    firewall("allow")
    assert "program_digest" not in netext.flow(pid=client.tcp(80).pid)


def test_a_provider_is_told_the_digest(netext, firewall, scripted, client, server):
    firewall(f"deny digest {digest_of(TALK)} port 81")
    scripted("80 allow")
    assert client.tcp(80).error is None
    assert client.tcp(81).error is not None
    assert netext.flow(remote_port=81)["program_digest"] == digest_of(TALK)


def test_what_is_known_is_decided_without_flowd(netext, firewall, client, server, copy):
    firewall("default deny", f"allow digest {digest_of(TALK)}")
    assert client.tcp(80).error is None
    with netext.paused_flowd():
        assert client.tcp(80).error is None
        unread = client.tcp(80, Lab.SERVER, "-t", "200", program=copy("same"))
        assert unread.error == "ETIMEDOUT"


EXECUTE = """
connection = socket.socket()
connection.setblocking(False)
connection.set_inheritable(True)
connection.connect_ex(("198.18.0.2", 80))
os.execv(program, [program, "30"])
"""


def test_a_program_is_what_it_was_when_it_connected(netext, firewall, client, server, copy, tmp_path):
    """While its flow waits it becomes another one, which the rules allow."""
    sleep = tmp_path / "sleep"
    sleep.write_bytes(open("/bin/sleep", "rb").read())
    sleep.chmod(0o755)
    firewall("default deny", f"allow digest {digest_of(sleep)}")
    with netext.paused_flowd():
        process = client.start_python(EXECUTE, program=str(sleep))
        wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe") == str(sleep), "it was not executed")
    flow = wait_until(lambda: netext.flows(remote_port=80, verdict="refuse"), "not refused")[0]
    assert flow["pid"] == process.pid and "program_digest" not in flow
    process.kill()
    assert server.seen == []


def test_a_program_that_is_gone_has_no_digest(netext, firewall, client, server, copy):
    brief = copy("brief")
    firewall("default deny", f"allow digest {digest_of(brief)}")
    with netext.paused_flowd():
        late = client.udp(80, Lab.SERVER, "-t", "50", program=brief)
    flow = wait_until(lambda: netext.flows(pid=late.pid, verdict="refuse"), "not refused")[0]
    assert "program_digest" not in flow
    assert client.udp(80, program=brief).error is None


@pytest.fixture
def interpreter(tmp_path):
    """A program that can be told what to do: its own file, too."""
    path = tmp_path / "interpreter"
    path.write_bytes(open("/usr/bin/python3", "rb").read())
    path.chmod(0o755)
    return path


def run_interpreter(client, interpreter, *lines):
    code = "import os, socket, sys, time\nsay = lambda: socket.create_connection(('198.18.0.2', 80), 5)\n"
    return client.run("env", "PYTHONHOME=/usr", str(interpreter), "-c", code + "\n".join(lines))


def test_an_executable_that_has_no_name_any_more(netext, firewall, client, server, interpreter):
    digest = digest_of(interpreter)
    firewall("default deny", "allow port 81", f"allow digest {digest}")
    early = "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('198.18.0.2', 81))"
    done = run_interpreter(client, interpreter, early, "os.unlink(sys.executable)", "time.sleep(0.1)", "say()")
    assert done.returncode == 0, done.stderr
    assert netext.flow(remote_port=80)["program_digest"] == digest


def test_what_was_changed_this_very_moment(netext, firewall, client, server, interpreter):
    firewall("default deny", f"allow digest {digest_of(interpreter)}")
    done = run_interpreter(client, interpreter, "os.utime(sys.executable)", "say()")
    assert done.returncode == 0, done.stderr


def test_an_executable_that_only_its_user_may_read(netext, firewall, client, server):
    firewall("default deny", f"allow digest {digest_of(TALK)}")
    with tempfile.TemporaryDirectory(prefix="netext-tests-") as private:
        program = pathlib.Path(shutil.copy(TALK, private))
        for path in (program, private):
            os.chown(path, 61100, 61100)
            os.chmod(path, 0o700)
        done = client.run("setpriv", "--reuid", "61100", "--regid", "61100", "--clear-groups",
                          program, "tcp", Lab.SERVER, "80")
    assert json.loads(done.stdout)["error"] is None, done
    assert netext.flow(uid=61100)["program_digest"] == digest_of(TALK)


def test_a_large_executable_keeps_nobody_else_waiting(netext, firewall, client, server, copy):
    large, small = copy("large"), copy("small", b"small")
    os.truncate(large, 900 << 20)
    firewall("default deny", f"allow digest {digest_of(small)}")
    process = client.start("tcp", Lab.SERVER, 80, program=large)
    wait_until(lambda: netext.flows(program=str(large)), "no flow")
    answer = client.tcp(80, program=small)
    assert answer.error is None and answer.ms < 500
    assert client.answer(process).error is not None


def test_a_file_beyond_measure_has_no_digest(netext, firewall, client, server, copy):
    huge = copy("huge")
    os.truncate(huge, 1 << 40)
    firewall("default deny", f"allow digest {digest_of(TALK)}")
    answer = client.tcp(80, program=huge)
    assert answer.error is not None and answer.ms < 500


def test_digests_are_known_again_after_a_restart(netext, firewall, client, server, copy):
    firewall("default deny", f"allow digest {digest_of(TALK)}")
    assert client.tcp(80).error is None
    netext.restart_flowd()
    assert netext.flow(pid=client.tcp(80).pid)["program_digest"] == digest_of(TALK)


def test_another_netextd_opens_executables(netext, firewall, client, server, copy):
    firewall("default deny", f"allow digest {digest_of(TALK)}")
    netext.kill_netextd()
    process = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
    wait_until(lambda: client.run("ss", "-Htn", "state", "syn-sent").stdout, "it did not try to connect")
    netext.restart_netextd()  # for a while, nobody could open its file
    assert client.answer(process).error is None
    assert client.tcp(80, program=copy("same")).error is None
    assert client.tcp(80, program=copy("other", b"other")).error is not None


def test_a_private_mount_does_not_hide_the_content(netext, firewall, client, server, copy):
    """The path is the user's own arrangement; what is in the file is not."""
    bad = copy("bad", b"bad")
    firewall(f"deny digest {digest_of(bad)}")
    done = client.run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                      f"mount --bind {bad} {TALK} && exec {TALK} tcp {Lab.SERVER} 80")
    assert json.loads(done.stdout)["error"] is not None, done
    flow = netext.flow(remote_port=80)
    assert not flow["program_path_trusted"] and flow["program_digest"] == digest_of(bad)


def test_a_proxy_takes_the_flows_of_a_content(netext, relay, client, server, upstream, copy):
    proxy = upstream("socks5")
    relay(proxy.line("office"), f"via office digest {digest_of(TALK)}")
    assert client.tcp(80, program=copy("same")).error is None and proxy.reached(80) == 1
    assert client.tcp(80, program=copy("other", b"other")).error is None and proxy.reached(80) == 1
    assert [netext.flow(comm=comm)["verdict"] for comm in ("same", "other")] == ["claim", "allow"]


def test_nobody_writes_to_what_is_executed(client, copy, lab, peer):
    """What the digests stand on."""
    program = copy("program")
    with subprocess.Popen([program, "-s", "tcp", "127.0.0.1", "1"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe") == str(program), "it was not executed")
        with pytest.raises(OSError, match="Text file busy"):
            program.open("ab")
        process.kill()


def test_more_new_programs_at_once_than_are_looked_at(netext, firewall, client, server, copy):
    """They have their turns, and none is refused for the others' sake."""
    programs = [copy(f"program{n}") for n in range(100)]
    firewall("default deny", f"allow digest {digest_of(TALK)}")
    with netext.paused_flowd():
        processes = [client.start("tcp", Lab.SERVER, 80, "-t", "15000", program=program) for program in programs]
    answers = [client.answer(process, 30) for process in processes]
    assert [answer.error for answer in answers if answer.error] == []
