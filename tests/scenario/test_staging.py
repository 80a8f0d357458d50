# SPDX-License-Identifier: Apache-2.0
"""What is verified is what runs, whoever changes the source, the copy, or kills what is in between."""
import os
import pathlib
import shutil
import signal
import threading

import pytest

from harness.bundles import Signer, list_of, run
from harness.instance import children, started_at
from harness.manager import ASK, Manager
from harness.store import IDENTIFIER, TEAM, Store
from harness.wait import wait_until


def allow(store, workshop):
    """Nobody has to approve what tests sign."""
    workshop.write_policy(AllowedTeamIdentifiers=[TEAM])
    wait_until(lambda: store.instance.ctl("extension", "policy"), "the policy was not read")


def workers(store):
    return [pid for pid, name in children(store.instance.process.pid).items() if name == "netext-bundle"]


def test_a_source_that_changes_all_the_while_is_whole_or_refused(store, workshop):
    """Check and use are of one copy: whatever is let in is what was signed."""
    allow(store, workshop)
    bundle, other = workshop.bundle(refuse=81), workshop.bundle(refuse=82)
    program = (bundle / "bin/filter").read_bytes()
    over = threading.Event()

    def exchange():
        while not over.is_set():
            (bundle / "resources/refuse").write_text("83\n")
            (bundle / "bin/filter").write_bytes(program[:-1] + b"x")
            shutil.copy(other / "resources/refuse", bundle / "resources/refuse")
            (bundle / "bin/filter").write_bytes(program)
            (bundle / "resources/refuse").write_text("81\n")

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        outcomes = [store.outcome(store.submit(bundle, "--replace"), 30) for _ in range(12)]
    finally:
        over.set()
        thread.join()
    for outcome in outcomes:
        assert outcome["status"] == "finished" or outcome["error"] in (8, 9), outcome
    for one in store.list():
        copy = pathlib.Path(one["path"])
        assert (copy / "resources/refuse").read_text() == "81\n" and (copy / "bin/filter").read_bytes() == program


def test_a_link_that_is_swapped_in_leads_nowhere(store, workshop, tmp_path):
    allow(store, workshop)
    secret = tmp_path / "secret"
    secret.write_text("81\n")
    bundle = workshop.bundle(refuse=81)
    plain, link = bundle / "resources/refuse", bundle / "resources/link"
    over = threading.Event()

    def swap():
        while not over.is_set():
            os.symlink(secret, link)
            os.rename(link, plain)
            link.write_text("81\n")
            os.rename(link, plain)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        outcomes = [store.outcome(store.submit(bundle), 30) for _ in range(12)]
    finally:
        over.set()
        thread.join()
    assert {outcome.get("error", 0) for outcome in outcomes} <= {0, 8, 9}
    for path in (workshop.state / "extensions").rglob("*"):
        assert not path.is_symlink() and "secret" not in str(path.resolve())


@pytest.fixture
def slow(workshop, tmp_path):
    """An archive that takes its time: there is a moment to meet its worker in."""
    bundle = workshop.bundle()
    (bundle / "signature/files").unlink()
    for number in range(3):
        (bundle / f"resources/large-{number}").write_bytes(os.urandom(1 << 24))
    content = list_of(bundle)
    (bundle / "signature/files").write_bytes(content)
    (bundle / "signature/files.p7s").write_bytes(workshop.signer.sign(content))
    archive = tmp_path / "slow.nxt"
    run("tar", "--format=pax", "-C", bundle, "-czf", archive, ".")
    return archive


def test_a_worker_that_is_killed_fails_its_request_and_no_other(store, workshop, slow):
    number = store.submit(slow)
    pid = wait_until(lambda: workers(store), "no worker came")[0]
    os.kill(pid, 9)
    failed = store.outcome(number, 30)
    assert failed["error"] == 1 and "killed by signal 9" in failed["message"]
    assert workshop.staged() == []
    store.activate(workshop.bundle(), "--approve")


@pytest.mark.parametrize("status", ["validating", "needs-approval", "enabling", "removing"])
def test_netextd_killed_at_each_step_leaves_an_outcome_and_no_orphan(store, workshop, slow, status):
    if status == "removing":
        store.activate(workshop.bundle(), "--approve")
        number = int(store.do("deactivate", IDENTIFIER, "--no-wait"))
    elif status == "enabling":
        number = store.submit(workshop.bundle())
        store.wait_for(number, "needs-approval")
        store.do("approve", number)
    elif status == "validating":
        number = store.submit(slow)
        worker = wait_until(lambda: workers(store), "no worker came")[0]
        os.kill(worker, signal.SIGSTOP)
    else:
        number = store.submit(workshop.bundle())
        store.wait_for(number, status, 30)
    store.instance.kill_netextd()
    if status == "validating":
        wait_until(lambda: started_at(worker) is None, "the worker outlives its netextd")
    store.instance.restart_netextd()
    if status == "needs-approval":
        assert store.request(number)["status"] == status
        store.do("approve", number)
    outcome = store.outcome(number, 30)
    assert outcome["status"] == ("failed" if status == "validating" else "finished"), outcome
    if status == "validating":
        assert outcome["error"] == 1 and "ask again" in outcome["message"]
    if status in ("validating", "removing"):
        assert store.list() == [] and workshop.staged() == []
    else:
        assert store.wait_for_extension(active=True)["request"] == number
        assert store.instance.ctl("extension", "gc") == {"removed": 0}


def test_a_full_disk_is_told_and_leaves_nothing(instances, workshop, slow):
    workshop.state.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=8m,mode=711", "netext-test", workshop.state)
    try:
        store = Store(instances(arguments=workshop.arguments))
        failed = store.outcome(store.submit(slow), 30)
        assert failed["status"] == "failed" and "space" in failed["message"], failed
        assert workshop.staged() == []
        store.activate(workshop.bundle(), "--approve")
        store.instance.stop()
    finally:
        run("umount", "--lazy", workshop.state)


def test_a_copy_that_was_damaged_while_nothing_ran_is_found_at_the_start(store, workshop):
    store.activate(workshop.bundle(), "--approve")
    copy = pathlib.Path(store.extension()["path"])
    store.instance.stop()
    (copy / "resources/refuse").write_text("7\n")
    journal = workshop.state / "requests"
    journal.write_bytes(b"\xff" * 100 + b"\n" + journal.read_bytes())
    store.instance.start()
    wait_until(lambda: "file.digest" in (store.extension() or {}).get("message", ""), lambda: store.list(), 5)
    assert "resources/refuse" in store.extension()["message"] and not store.extension()["active"]
    assert len(put_aside(workshop, "requests")) == 1 and "store_problem" in store.instance.status()
    store.activate(workshop.folder / "bundle-1")
    store.wait_for_extension(active=True)


def put_aside(workshop, name):
    return sorted(workshop.state.glob(f"{name}.damaged-2*"))


def test_a_store_that_was_damaged_comes_back_from_its_folders(store, workshop):
    """Power fails, disks lie: netextd starts, says what it lost, and has what lies there approved again."""
    bundle = workshop.bundle()
    number = store.activate(bundle, "--approve")["request"]
    pid = store.extension()["pid"]
    kept = workshop.state / "data" / IDENTIFIER / "kept"
    kept.write_text("its own")
    database, journal = workshop.state / "extensions.json", workshop.state / "requests"
    whole, lines = database.read_bytes(), journal.read_bytes()

    store.instance.kill_netextd()
    database.write_bytes(whole[:len(whole) // 2])
    journal.write_bytes(b"\0" * 100 + b"\n" + lines[:-1])
    store.instance.restart_netextd()
    lost = store.wait_for_extension(state="activated_waiting_for_user", active=False)
    assert [path.read_bytes() for path in put_aside(workshop, "extensions.json")] == [whole[:len(whole) // 2]]
    assert len(put_aside(workshop, "requests")) == 1
    aside = put_aside(workshop, "extensions.json")[0].name
    assert aside in lost["message"] and "approve it again" in lost["message"]
    assert {check["check"]: check["result"] for check in store.why()}["store.recovery"] == "warned"
    for said in (store.do("list"), store.instance.status()["store_problem"], store.instance.messages()):
        assert aside in said and put_aside(workshop, "requests")[0].name in said, said
    wait_until(lambda: started_at(pid) is None, "it runs without approval")
    store.do("approve", IDENTIFIER)
    store.wait_for_extension(active=True)
    assert kept.read_text() == "its own" and "store.recovery" not in [check["check"] for check in store.why()]
    assert store.submit(bundle) > number

    store.do("developer", "on")
    store.activate(workshop.bundle(identifier="com.example.mine", signer=Signer(workshop.folder, "unknown", TEAM)), "--approve")
    allow(store, workshop)
    store.instance.stop()
    database.write_bytes(b"\xff" * 1000)
    for program in (workshop.state / "extensions").glob("com.example.mine/*/bin/filter"):
        program.write_bytes(b"damaged as well")
    store.instance.start()
    assert store.wait_for_extension(active=True)["granted"] == "policy"
    wait_until(lambda: "file.size" in store.failed("com.example.mine"), lambda: store.instance.messages())
    assert [one["identifier"] for one in store.list()] == [IDENTIFIER]
    assert store.instance.ctl("extension", "gc")["removed"] >= 3
    assert not put_aside(workshop, "extensions.json") and "store_problem" not in store.instance.status()
    assert workshop.staged() == [f"data/{IDENTIFIER}", f"extensions/{IDENTIFIER}"] and kept.exists()


@pytest.mark.parametrize("many", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_of_many_requests_whose_clients_go_at_once_each_has_one_outcome(store, workshop, many):
    """L01: each would have to be asked whether to replace, and nobody is there."""
    store.activate(workshop.bundle(version="1.0"), "--approve")
    bundles = [workshop.bundle(version=f"1.{minor}") for minor in (1, 2)]
    numbers = []
    for turn in range(many):
        manager = Manager(store.instance.name)
        numbers.append(manager.activate(bundles[turn % 2], ASK))
        manager.close()
    assert len(set(numbers)) == many

    def pending():
        return [one for one in store.instance.ctl("extension", "request")
                if one["status"] not in ("finished", "failed")]

    wait_until(lambda: not pending(), lambda: f"without an outcome: {pending()[:3]}", 300)
    outcomes = {one["request"]: one for one in store.instance.ctl("extension", "request")}
    assert sorted(number for number in numbers if number in outcomes) == numbers
    assert {(outcomes[number]["status"], outcomes[number]["error"]) for number in numbers} <= \
        {("failed", 11), ("failed", 12)}
    assert store.extension()["version"] == "1.0" and store.extension()["active"]
