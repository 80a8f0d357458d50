# SPDX-License-Identifier: Apache-2.0
"""One executable in other mount namespaces: by its path where that is ours, by its content everywhere (R-15)."""
import hashlib
import json
import subprocess

import pytest

from harness.client import TALK
from harness.lab import Lab

PRIVATE = ("unshare", "--mount", "--propagation", "private")
BY_USER = ("unshare", "--user", "--map-root-user", "--mount")
# A root of its own, as a container has it: the system's programs, and at the app's path what $1 is.
CONTAINER = """
    mount --bind $1 $0/talk; mount -t tmpfs none $0/root; cd $0/root
    mkdir -p usr proc old ./$0/app; touch ./$0/app/talk; mount --bind $0/talk ./$0/app/talk
    mount --rbind /usr usr; ln -s usr/bin usr/lib usr/lib64 .; mount -t proc none proc
    pivot_root . old; umount -l /old; """


@pytest.fixture
def place(tmp_path):
    """app/talk is the program, in image as well; other is one with another content; the rest to mount to."""
    for name in ("app", "root", "work", "upper"):
        (tmp_path / name).mkdir()
    (tmp_path / "talk").touch()
    for name, more in (("app/talk", b""), ("other", b"other")):
        (tmp_path / name).write_bytes(TALK.read_bytes() + more)
        (tmp_path / name).chmod(0o755)
    with (tmp_path / "image").open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.ext2", "-q", "-d", tmp_path / "app", tmp_path / "image"], check=True)
    return tmp_path


@pytest.mark.kernel
def test_who_is_who_in_other_mount_namespaces(netext, firewall, client, server, serve, place):
    serve(81)
    app = place / "app/talk"
    digest = "sha256:" + hashlib.sha256(app.read_bytes()).hexdigest()
    firewall("default deny", f"allow program {app} port 80", f"allow digest {digest} port 81")

    def let_in(by, script, *arguments, program=app):
        """By its path, and by its content."""
        found = []
        for port in (80, 81):
            run = f"{script} exec {program} tcp {Lab.SERVER} {port}"
            done = client.run(*by, "/bin/sh", "-ec", run, place, *arguments)
            assert done.stdout, (script, done)
            found.append(json.loads(done.stdout)["error"] is None)
        return tuple(found)

    # where the path is ours: in our namespace, in a copy of it, and in a part of that
    assert let_in((), "") == (True, True)
    assert let_in(PRIVATE, "") == (True, True)
    assert let_in(PRIVATE, "mount --rbind / $0/root; cd $0/root; pivot_root . mnt; umount -l /mnt;") == (True, True)
    # the same file, or the same content in another one, at another path
    there = place / "root/talk"
    assert let_in(PRIVATE, "mount --bind $0/app $0/root;", program=there) == (False, True)
    assert let_in(PRIVATE, "mount -o loop,ro $0/image $0/root;", program=there) == (False, True)
    assert let_in(PRIVATE, "mount -t overlay -o lowerdir=$0/app,upperdir=$0/upper,workdir=$0/work none $0/root;",
                  program=there) == (False, True)
    # at our path, but in a namespace of a user's own: it may be anything
    assert let_in(BY_USER, "") == (False, True)
    assert let_in(BY_USER, f"mount --bind $0/other {app};") == (False, False)
    # and in a container, whoever made it
    assert let_in(PRIVATE, CONTAINER, app) == (False, True)
    assert let_in(PRIVATE, CONTAINER, place / "other") == (False, False)
    refused = netext.flows(remote_port=81, verdict="refuse")
    assert [(flow["program"], flow["program_path_trusted"]) for flow in refused] == 2 * [(str(app), False)]
