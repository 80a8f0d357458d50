# SPDX-License-Identifier: Apache-2.0
"""What changes in the copy of an extension is named while its process goes on (L09), and repaired it is forgotten."""
import os
import pathlib
import shutil
import signal
import time

import pytest

from harness.instance import children, started_at
from harness.store import IDENTIFIER
from harness.wait import wait_until

WITHIN = 5  # seconds


def exchange_program(copy):
    """As an update by hand would: a running file cannot be written to."""
    program = copy / "bin/filter"
    content = program.read_bytes()
    program.unlink()
    program.write_bytes(content[:-1] + b"x")
    program.chmod(0o755)


def write_resource(copy):
    (copy / "resources/refuse").write_text("7\n")


def remove_file(copy):
    (copy / "resources/refuse").unlink()


def remove_folder(copy):
    shutil.rmtree(copy / "resources")


def remove_all(copy):
    shutil.rmtree(copy)


def add_file(copy):
    (copy / "resources/more").write_text("more\n")


def take_mode(copy):
    (copy / "bin/filter").chmod(0o4755)


def move_away(copy):
    copy.rename(copy.with_name("away"))


# What is done to the copy, the check that fails, the file that is named.
DAMAGES = [
    (exchange_program, "file.digest", "bin/filter"),
    (write_resource, "file.digest", "resources/refuse"),
    (remove_file, "file.missing", "resources/refuse"),
    (remove_folder, "file.missing", "resources/"),
    (remove_all, None, None),
    (add_file, "file.unlisted", "resources/more"),
    (take_mode, "file.mode", "bin/filter"),
    (move_away, None, None),
]


def repair(copy, whole):
    """copytree() leaves what the copy has too much."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(whole, copy)


def wait_for_message(store, text, identifier=IDENTIFIER):
    wait_until(lambda: text in store.extension(identifier).get("message", ""),
               lambda: f"{text} is not said: {store.list()}\n{store.instance.messages()}", WITHIN)


def wait_for_silence(store, identifier=IDENTIFIER):
    wait_until(lambda: "message" not in store.extension(identifier), lambda: store.list(), WITHIN)


def workers(store):
    """Who looks at copies now."""
    return [pid for pid, name in children(store.instance.process.pid).items() if name == "netext-bundle"]


@pytest.mark.parametrize("damage,check,file", DAMAGES, ids=lambda one: getattr(one, "__name__", None))
def test_damage_is_named_while_the_process_goes_on(store, workshop, tmp_path, damage, check, file):
    store.activate(workshop.bundle(), "--approve")
    before = store.extension()
    copy = pathlib.Path(before["path"])
    whole = shutil.copytree(copy, tmp_path / "whole")
    damage(copy)
    wait_for_message(store, check or "its copy cannot be opened: No such file or directory")
    now = store.extension()
    assert now["active"] and now["enabled"] and now["pid"] == before["pid"] and now["restarts"] == 0
    assert now["message"] in store.do("list")
    if check:
        assert file in now["message"] and store.failed()[check]["file"].startswith(file)
    repair(copy, whole)
    wait_for_silence(store)
    now = store.extension()
    assert now["active"] and now["pid"] == before["pid"] and now["restarts"] == 0 and store.failed() == {}
    assert "is not what was staged any more" in store.instance.messages()


def test_a_folder_that_came_after_the_start_is_watched_too(store, workshop):
    store.activate(workshop.bundle(), "--approve")
    copy = pathlib.Path(store.extension()["path"])
    (copy / "resources/new").mkdir()
    time.sleep(1)  # an empty one is no damage, so nothing is said of it
    (copy / "resources/new/file").write_text("1\n")
    wait_for_message(store, "resources/new/file")
    shutil.rmtree(copy / "resources/new")
    wait_for_silence(store)


def test_damage_is_named_after_a_restart_of_netextd(store, workshop):
    store.activate(workshop.bundle(), "--approve")
    copy = pathlib.Path(store.extension()["path"])
    store.instance.kill_netextd()
    store.instance.restart_netextd()
    pid = store.wait_for_extension(active=True)["pid"]
    write_resource(copy)
    wait_for_message(store, "resources/refuse")
    assert store.extension()["pid"] == pid


def test_the_copy_that_took_over_is_watched_and_the_former_is_not(store, workshop):
    store.activate(workshop.bundle(version="1.0"), "--approve")
    store.activate(workshop.bundle(version="1.1"))
    wait_until(lambda: len(store.list()) == 1, "the former one is not gone")
    write_resource(pathlib.Path(store.extension()["path"]))
    wait_for_message(store, "resources/refuse")
    store.activate(workshop.bundle(version="1.2"))
    assert "message" not in store.wait_for_extension_version("1.2")


def test_what_is_off_says_why_it_is_off(store, workshop, tmp_path):
    """A look that was begun before comes to nothing."""
    large = tmp_path / "large"
    large.write_bytes(bytes(100 << 20))  # it takes a moment to look at
    store.activate(workshop.bundle(files={"resources/large": large}), "--approve")
    write_resource(pathlib.Path(store.extension()["path"]))
    worker, = wait_until(lambda: workers(store), "nobody looks")
    os.kill(worker, signal.SIGSTOP)
    store.do("disable", IDENTIFIER)
    off = store.wait_for_extension(state="activated_disabled")["message"]
    wait_until(lambda: started_at(worker) is None, "it is still looked at")
    assert store.extension()["message"] == off == "an administrator disabled it"


def test_what_was_damaged_is_installed_again_in_its_place(store, workshop):
    bundle = workshop.bundle()
    store.activate(bundle, "--approve")
    before = store.extension()
    write_resource(pathlib.Path(before["path"]))
    wait_for_message(store, "resources/refuse")
    store.activate(bundle)
    wait_for_silence(store)
    assert store.extension()["pid"] == before["pid"]


def test_a_copy_of_which_nobody_runs_the_program_is_watched(store, workshop):
    """An extension of scope session without one: what is started next would be damaged."""
    store.activate(workshop.bundle(scope="session"), "--approve")
    write_resource(pathlib.Path(store.extension()["path"]))
    wait_for_message(store, "resources/refuse")


def test_what_stays_as_it_is_is_not_looked_at(store, workshop):
    """And what changes all the time is looked at again and again, one look after the other."""
    store.activate(workshop.bundle(), "--approve")
    copy = pathlib.Path(store.extension()["path"])
    content = (copy / "resources/refuse").read_bytes()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert not workers(store)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        (copy / "resources/refuse").write_bytes(content)
        assert len(workers(store)) <= 1
    wait_for_silence(store)
    wait_until(lambda: not workers(store), "it is still looked at")


def test_a_damaged_copy_is_named_and_repaired_it_runs(store, workshop):
    """Within 5 s, and nobody has to install anything again."""
    store.activate(workshop.bundle(), "--approve")
    program = pathlib.Path(store.extension()["path"]) / "bin/filter"
    content = program.read_bytes()
    program.unlink()
    program.write_bytes(content[:-1] + b"x")
    program.chmod(0o755)
    store.instance.kill(store.extension()["pid"])
    damaged = store.wait_for_extension(active=False, timeout=WITHIN)
    wait_until(lambda: "file.digest" in store.extension().get("message", ""), lambda: store.list())
    assert damaged["enabled"] and "bin/filter" in store.extension()["message"]
    assert store.failed()["file.digest"]["file"] == "bin/filter"
    program.write_bytes(content)
    store.wait_for_extension(active=True, timeout=10)
    assert store.failed() == {}
