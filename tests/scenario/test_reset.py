# SPDX-License-Identifier: Apache-2.0
"""netext-reset removes what nobody else did: R-04 and R-05. What is left fails the instance's own check."""
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from harness import snapshot
from harness.instance import started_at
from harness.namespace import Namespace
from harness.paths import BUILD, CGROUP2, NETEXTD, PROGRAMS, RESET, SOURCE, STAGE
from harness.wait import wait_until

NO_FILES = "for folder in /etc /var /root /home /usr/share; do mount -t tmpfs none $folder; done; exec \"$@\""


def reset(*arguments, view=NO_FILES):
    """As root of a machine on which there is no configuration and no data, in the machine's own namespace."""
    return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", view, "sh", RESET, *arguments],
                          env={}, text=True, capture_output=True, check=False, timeout=60)


def end_all(netext):
    """netextd, flowd and extensions, all with kill -9."""
    netext.kill_netextd()
    pids = [pid for pid, when in netext.started if started_at(pid) == when]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(started_at, pids)), "they did not die")


def left_of(netext, lab):
    return [snapshot.of_namespace(lab.client), snapshot.of_instance(netext.name), snapshot.of_cgroup(lab.cgroup)]


@pytest.fixture
def steering(netext, proxy, firewall, packets):
    """An instance with all that one can have in the kernel."""
    proxy("80 splice")
    firewall("deny port 25")
    packets("any any 1 any")
    return netext


@pytest.mark.kernel
def test_it_says_what_it_would_do_and_then_does_it_once(steering, lab):
    """Nobody is left but a flowd and an extension that do not answer."""
    flowd, extension = steering.flowd_pid(), steering.extension_pid("firewall")
    steering.kill_netextd()
    os.kill(flowd, signal.SIGSTOP)
    before = left_of(steering, lab)
    trial = reset("--dry-run", steering.name)
    assert trial.returncode == 0 and trial.stderr == ""
    assert left_of(steering, lab) == before and started_at(flowd) and started_at(extension)
    done = reset(steering.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.replace("ended", "would end").replace("removed", "would remove") == trial.stdout
    table = f"removed the nft table inet netext-{steering.name} in network namespace {os.fstat(lab.client.fd).st_ino}"
    for what in (f"ended netext-flowd of instance {steering.name} (pid {flowd})", table, "removed the IPv4 policy rule",
                 "removed the IPv6 route", "pinned BPF objects", f"cgroup {CGROUP2}/netext/{steering.name}/extension-0",
                 f"removed the folder /run/netext/{steering.name}"):
        assert what in done.stdout, done.stdout
    again = reset(steering.name)
    assert (again.returncode, again.stdout) == (0, f"nothing of instance {steering.name} was found\n")


def test_a_netextd_that_lives_takes_everything_away_itself(steering):
    """Also one that was stopped."""
    pid = steering.process.pid
    steering.remember_processes()
    os.kill(pid, signal.SIGSTOP)
    done = reset(steering.name)
    assert done.returncode == 0 and f"ended netextd of instance {steering.name} (pid {pid})\n" in done.stdout
    assert steering.process.wait(5) == 0
    steering.process = None


def forget_state(netext, lab):
    """Who runs is known by the socket that it has."""
    for path in pathlib.Path("/run/netext", netext.name).glob("state.json*"):
        path.unlink()
    pathlib.Path("/run/netext", netext.name, "lock").unlink()


def meddle(netext, lab):
    """State that is half written, a table that others changed, and a folder with what is theirs."""
    pathlib.Path("/run/netext", netext.name, "state.json").write_text('{"network": 1, "flowd": [', "utf-8")
    lab.client.nft(f"flush table inet netext-{netext.name}; add chain inet netext-{netext.name} strange")
    pathlib.Path("/run/netext", netext.name, "strange", "deep").mkdir(parents=True)


@pytest.mark.parametrize("damage", (forget_state, meddle))
def test_whatever_is_broken(steering, lab, damage):
    steering.kill_netextd()
    damage(steering, lab)
    done = reset(steering.name)
    assert (done.returncode, done.stderr) == (0, ""), done


def test_a_namespace_that_is_still_there_is_not_left_behind(steering):
    """What stands in it would never go. By its name it is found, also without a runtime folder."""
    end_all(steering)
    elsewhere = subprocess.run(list(map(str, steering.command_line())), text=True, capture_output=True, timeout=20,
                               check=False)
    assert elsewhere.returncode == 1 and f"have netext-reset {steering.name} take it away" in elsewhere.stderr
    folder = pathlib.Path("/run/netext", steering.name)
    subprocess.run(["umount", folder / "bpf"], check=False, capture_output=True)
    shutil.rmtree(folder)
    done = reset(steering.name)
    assert (done.returncode, done.stderr) == (0, ""), done


def unpin(netext):
    for folder in snapshot.ROOTS:
        for pin in pathlib.Path(folder, netext.name).glob("**/map_*"):
            pin.unlink()


def test_another_instance_stays(steering, instances, rules, client, server, lab):
    """Also where both lost what says whose the policy rules are, and where one is removed that is gone."""
    other = instances("b", arguments=["--mark-mask", "f0000000"])
    other.before |= {key: steering.before[key] for key in (*snapshot.COMMANDS, "programs")}
    other.start_session(PROGRAMS / "scripted-proxy", "--kind=transparent-proxy",
                        f"--file=script={rules('81 splice', name='other')}")
    end_all(steering)
    unpin(steering), unpin(other)
    for _ in range(2):
        assert reset(steering.name).returncode == 0
        assert other.status()["state"] == "running" and client.tcp(80).error is None
        for family in ("-4", "-6"):
            assert lab.client.run(["ip", family, "rule"]).stdout.count("proto 78") == 1


def lose_namespace(netext, lab):
    """With everybody who was in it."""
    end_all(netext)
    lab.client.close()
    lab.client = Namespace()
    lab.client.cgroup = lab.cgroup
    lab.client.run(["ip", "link", "set", "lo", "up"])
    netext.before |= snapshot.of_namespace(lab.client)


def test_where_the_network_namespace_is_gone(steering, lab):
    """The next netextd goes on in another one, or there is an end."""
    lose_namespace(steering, lab)
    steering.start()
    assert "the network namespace of the earlier instance" in steering.messages()
    for session in ("scripted-proxy", "firewall"):
        steering.wait_for_session(session, "running")
    lose_namespace(steering, lab)
    done = reset(steering.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nft table" not in done.stdout and f"removed the folder /run/netext/{steering.name}" in done.stdout


@pytest.mark.parametrize("arguments, problem", (
    (["A_b"], "an instance's name is 1 to 40 lower-case letters"),
    (["a", "b"], "one instance at a time, or all; not also b"),
    (["--quick"], "unrecognized option '--quick'"),
))
def test_a_wrong_command_line_removes_nothing(arguments, problem):
    done = reset(*arguments)
    assert done.returncode == 2 and problem in done.stderr and done.stdout == ""


# The second one starts when only root may enter the bpffs any more.
OWN_VIEW = f"""
mount -t tmpfs run /run; mkdir /run/state /run/cgroup; mount -t bpf bpf /sys/fs/bpf; mount -t cgroup2 cgroup2 /run/cgroup
start() {{ {NETEXTD} --instance $1 --mark-mask $2 --state-directory /run/state/$1 & echo $!; }}
start main f
while [ ! -S /run/netext/main/control ]; do sleep 0.1; done
chmod 700 /sys/fs/bpf
start b f0
exec sleep 60"""


def test_without_a_name_it_removes_all(lab):
    """On a machine of its own: what it sees of folders, BPF, cgroups and networks."""
    before = [snapshot.of_namespace(lab.client), snapshot.of_cgroup(lab.cgroup)]
    machine = lab.client.start(["unshare", "--mount", "--cgroup", "--propagation", "private", "sh", "-e", "-c", OWN_VIEW],
                               cgroup=lab.daemons.path, stderr=subprocess.DEVNULL)
    pids = [int(machine.stdout.readline()) for _ in range(2)]
    root = pathlib.Path(f"/proc/{machine.pid}/root")
    wait_until(lambda: all((root / "run/netext" / name / "control").exists() for name in ("main", "b")),
               "they were not ready", 20)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    enter = ["nsenter", "--target", str(machine.pid), "--mount", "--cgroup"]
    done = lab.client.run([*enter, RESET], cgroup=lab.daemons.path, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the nft table inet netext\n" in done.stdout and "the nft table inet netext-b\n" in done.stdout
    assert "in /sys/fs/bpf/netext/main\n" in done.stdout and "in /run/netext/b/bpf\n" in done.stdout
    assert not list((root / "run/netext").glob("*")) and not list((root / "sys/fs/bpf").glob("netext"))
    assert [snapshot.of_namespace(lab.client), snapshot.of_cgroup(lab.cgroup)] == before
    assert lab.client.run([*enter, RESET], cgroup=lab.daemons.path).stdout == "nothing of netext was found\n"


def test_uninstalled_nothing_is_left_that_was_installed(tmp_path):
    """With DESTDIR, so that this machine's own netext is left alone."""
    root = tmp_path / "root"
    shutil.copytree(STAGE, root / "usr", symlinks=True)
    mine = root / "usr/libexec/netext/mine"
    mine.write_text("of somebody else")
    done = subprocess.run([SOURCE / "tools/uninstall"], env={**os.environ, "DESTDIR": str(root), "NETEXT_BUILD": str(BUILD)},
                          text=True, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert [path for path in root.rglob("*") if not path.is_dir()] == [mine]
    assert [path for path in root.rglob("netext*")] == [mine.parent]
