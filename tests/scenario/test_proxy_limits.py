# SPDX-License-Identifier: Apache-2.0
"""What runs out: descriptors, and the patience of a proxy's peers. It is said, counted, and over by itself (B12)."""
import contextlib
import json
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.client import PYTHON
from harness.lab import Lab
from harness.sanitizer import SANITIZED
from harness.wait import wait_until

PROXY = "scripted-proxy"


def descriptors(pid):
    return sorted(int(entry.name) for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir())


def set_soft_limit(pid, resource, number):
    """As the process's own user: to change another's takes a capability that tests may lack."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text("ascii")
    user, group = (int(re.search(rf"^{word}:\s+(\d+)", status, re.MULTILINE)[1]) for word in ("Uid", "Gid"))
    subprocess.run(["prlimit", "--pid", str(pid), f"--{resource}={number}:"], check=True, user=user, group=group,
                   extra_groups=[])


@contextlib.contextmanager
def limited(pid, resource, number):
    name = {"nofile": "Max open files", "as": "Max address space"}[resource]
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text("ascii")
    before = re.search(rf"^{name}\s+(\S+)", limits, re.MULTILINE)[1]
    set_soft_limit(pid, resource, number)
    try:
        yield
    finally:
        set_soft_limit(pid, resource, before)


def few_descriptors(pid, n_left):
    """The process gets no number from the n_left-th free one on."""
    used, number = descriptors(pid), -1
    for _ in range(n_left + 1):
        number = next(free for free in range(number + 1, 100000) if free not in used)
    return limited(pid, "nofile", number)


def no_more_memory(pid):
    """The process gets none beyond what it has."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text("ascii")
    return limited(pid, "as", int(re.search(r"^VmSize:\s+(\d+)", status, re.MULTILINE)[1]) * 1024)


@pytest.mark.parametrize("policy, error", (("open", None), ("closed", "ECONNREFUSED")))
@pytest.mark.parametrize("protocol, how", (("tcp", "splice"), ("tcp", "claim"), ("udp-connected", "claim")))
def test_without_descriptors_the_fail_policy_answers(netext, proxy, client, server, policy, error, protocol, how):
    proxy(f"80 {how}", fail_policy=policy)
    carried = client.start("tcp", Lab.SERVER, 80, "-n", "100", "-i", "10")
    wait_until(lambda: netext.flows(remote_port=80, verdict="claim"), "the flow was not claimed")
    pids = netext.flowd_pid(), netext.extension_pid(PROXY)
    with few_descriptors(pids[0], 0):
        for _ in range(5):
            answer = client.talk(protocol, Lab.SERVER, 80)
            assert answer.error == error and answer.ms < 1000
            assert netext.flow(local_port=answer.local_port)["reason"] == "table-full"
        assert netext.status()["flows_not_delivered"] >= 5
    assert client.answer(carried).answers == 100
    answer = client.talk(protocol, Lab.SERVER, 80)
    assert answer.error is None
    assert netext.flow(local_port=answer.local_port)["verdict"] == "claim"
    assert (netext.flowd_pid(), netext.extension_pid(PROXY)) == pids


@pytest.mark.parametrize("n_left", range(1, 8))
def test_few_descriptors_hang_nobody(netext, proxy, client, server, n_left):
    """Wherever on its way a flow meets the limit: it is carried, goes by, or ends at once."""
    proxy("80 splice")
    with few_descriptors(netext.flowd_pid(), n_left):
        programs = [client.start("tcp", Lab.SERVER, 80, "-n", "5", "-t", "3000") for _ in range(10)]
        answers = [client.answer(program) for program in programs]
    assert {answer.error for answer in answers} <= {None, "ECONNRESET", "ECONNREFUSED"}
    assert max(answer.ms for answer in answers) < 2000
    assert client.tcp(80).error is None
    assert netext.flows(remote_port=80)[-1]["verdict"] == "claim"


MANY = """
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    connections, port = [], 80
    for number in range(count):
        connection = socket.socket()
        connection.settimeout(20)
        connection.connect((address, 80))
        connections.append(connection)
    for connection in connections:
        connection.sendall(b"!")
    n_answers = sum(connection.recv(1) == b"!" for connection in connections)
    print("ready", flush=True)
    sys.stdin.readline()
    for connection in connections:
        connection.close()
    answer = n_answers
"""


def resident_kib(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("RssAnon:")))


def open_many(netext, client, count, programs=(PYTHON,)):
    """Each program opens and closes count flows; (descriptors before, and while they are open, KiB of memory for
    each flow)."""
    pid = netext.flowd_pid()
    before, kib_before = len(descriptors(pid)), resident_kib(pid)
    processes = [client.start_python(MANY, python=program, address=Lab.SERVER, count=count) for program in programs]
    for process in processes:
        client.wait_for_ready(process, 60)
    during, kib = len(descriptors(pid)), (resident_kib(pid) - kib_before) / (count * len(programs))
    for process in processes:
        process.stdin.write("close\n")
        process.stdin.flush()
        assert client.python_answer(process, 30) == count
    wait_until(lambda: len(descriptors(pid)) <= before + 64, lambda: f"{len(descriptors(pid))} descriptors stay", 20)
    return before, during, kib


def test_two_thousand_flows_at_once(netext, proxy, client, server):
    proxy("80 splice")
    before, during, kib = open_many(netext, client, 2000)
    print(f"descriptors: {before}, then {during}; {kib:.2f} KiB of memory a flow")
    assert 2 <= (during - before) / 2000 < 2.1
    assert kib < 4
    assert netext.status()["flows_not_delivered"] == 0


@pytest.mark.soak
def test_ten_thousand_flows_at_once(netext, proxy, client, server, tmp_path):
    """Of two programs: one alone has no more than half of the descriptors."""
    proxy("80 splice")
    before, during, kib = open_many(netext, client, 4750, (PYTHON, shutil.copy(PYTHON, tmp_path / "another-python")))
    print(f"descriptors: {before}, then {during}; {kib:.2f} KiB of memory a flow")
    assert (during - before) / 9500 >= 2 and kib < 2


# Connections, one after the other; how many ended with each error.
SEQUENCE = """
    answer = {}
    for _ in range(count):
        with socket.socket() as connection:
            connection.settimeout(5)
            error = errno.errorcode.get(connection.connect_ex((address, 80)), "none")
        answer[error] = answer.get(error, 0) + 1
"""


@pytest.mark.skipif(SANITIZED, reason="ASan has address space of its own to give, so no limit makes memory short")
@pytest.mark.parametrize("policy", ("open", "closed"))
def test_without_memory_the_fail_policy_answers(netext, scripted, client, server, lab, policy):
    """Each flow that is remembered takes some, and soon there is none; what is in force is kept all the same."""
    scripted("80 refuse" if policy == "open" else "80 allow", fail_policy=policy)
    pid = netext.flowd_pid()
    with no_more_memory(pid):
        ends = client.python(SEQUENCE, address=Lab.SERVER, count=3000)
        assert set(ends) == {"none", "ECONNREFUSED"} and sum(ends.values()) == 3000, ends
        status = netext.status()
        assert status["flows_by_fail_policy"] == ends["none" if policy == "open" else "ECONNREFUSED"], (status, ends)
        assert status["flows_not_recorded"] >= status["flows_by_fail_policy"]
        lab.client.nft(f"delete table inet netext-{netext.name}")
        wait_until(lambda: netext.status()["tables_put_back"] == 1, netext.messages)
    answer = client.tcp(80)
    assert netext.flow(local_port=answer.local_port)["reason"] == "provider" and netext.flowd_pid() == pid


def test_who_has_no_descriptors_comes_back(netext, scripted, client, server, lab):
    """flowd decides without any; what it needs some for waits, and so do those who ask netextd."""
    scripted("80 refuse", fail_policy="closed")
    flowd = netext.flowd_pid()
    with limited(flowd, "nofile", 3):
        answer = client.tcp(80)
        assert answer.error == "ECONNREFUSED" and netext.flow(local_port=answer.local_port)["reason"] == "provider"
        netext.kill(netext.extension_pid("scripted"))
        wait_until(lambda: client.tcp(80).error == "ECONNREFUSED" and netext.flows(reason="provider-absent"),
                   lambda: f"no fail policy decided: {netext.flows()}")
        lab.client.nft(f"delete table inet netext-{netext.name}")
    wait_until(lambda: netext.status()["tables_put_back"] == 1, netext.messages)
    netext.wait_for_session("scripted", "running")
    with limited(netext.process.pid, "nofile", 3):
        asking = lab.client.start(netext.ctl_command("status", "--json"), cgroup=lab.daemons.path)
        answer = client.tcp(80)
        assert answer.error == "ECONNREFUSED" and server.seen == [] and asking.poll() is None
    assert json.loads(asking.communicate(timeout=10)[0])["flows_by_fail_policy"] >= 1
    assert netext.flow(local_port=answer.local_port)["reason"] == "provider"
    assert netext.flowd_pid() == flowd
