# SPDX-License-Identifier: Apache-2.0
"""A start that fails says what happened, and a program's last words are kept (L20)."""
import re
import subprocess

import pytest

from harness.instance import started_at
from harness.paths import SOURCE, STAGE
from harness.sanitizer import CC
from harness.store import IDENTIFIER
from harness.wait import wait_until

PROGRAMS = {
    "silent": 'int main(void) { return 3; }',
    "talkative": '#include <stdio.h>\nint main(void) { puts("one"); fflush(stdout);'
                 ' fputs("two\\nthree\\nno licence", stderr); return 4; }',
    "crashing": '#include <stdlib.h>\nint main(void) { abort(); }',
    "lacking": 'int gone(void); int main(void) { return gone(); }',
}


@pytest.fixture
def compiled(tmp_path):
    """compiled("silent") is the path of that program."""

    def compile_it(name):
        path, library = tmp_path / name, tmp_path / "libgone.so"
        options = []
        if name == "lacking":
            subprocess.run(["cc", "-shared", "-x", "c", "-", "-o", library], input=b"int gone(void) { return 0; }",
                           check=True)
            options = [library]
        subprocess.run(["cc", "-x", "c", "-", "-x", "none", *options, "-o", path], input=PROGRAMS[name].encode(),
                       check=True)
        library.unlink(missing_ok=True)
        return path

    return compile_it


@pytest.mark.parametrize("program, cause", (
    ("silent", r"before it said hello: exited with status 3; does its main\(\) call nx_main\(\)\?$"),
    ("talkative", r"before it said hello: exited with status 4.*; it wrote: two / three / no licence$"),
    ("crashing", r"before it said hello: killed by signal 6 \(Aborted\)$"),
    ("lacking", r"lacks a library: \S*libgone.so: cannot open shared object file.*\(exited with status 127\)"),
))
def test_each_failure_has_its_own_sentence(netext, compiled, program, cause):
    done = netext.run_ctl("session", "start", compiled(program))
    assert done.returncode == 1 and re.search(cause, done.stderr.strip()), done.stderr
    session = netext.session(program)
    assert session["state"] == "failed" and re.search(cause, session["message"])
    assert session["last_exit"] in cause.replace("\\", "")


def test_the_last_words_are_kept(netext, compiled):
    netext.run_ctl("session", "start", compiled("talkative"))
    assert netext.session("talkative")["last_lines"] == "one\ntwo\nthree\nno licence"


TALKER = r'''
#include <stdio.h>
#include <unistd.h>
#include <netext/extension.h>

static enum nx_verdict decide(struct nx_filter *filter, struct nx_flow *flow, void *userdata)
{
        fprintf(stderr, "flow to %d\n", nx_flow_get_remote_port(flow));
        return NX_VERDICT_ALLOW;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT, .identifier = "talker", .filter = { .handle_new_flow = decide },
        };

        return nx_main(&extension, NULL);
}
'''


@pytest.fixture
def talker(tmp_path):
    path = tmp_path / "talker"
    subprocess.run([*CC, "-I", SOURCE / "include", "-x", "c", "-", "-x", "none",
                    next(STAGE.glob("lib/**/libnetext.a")), "-lsystemd", "-o", path],
                   input=TALKER.encode(), check=True)
    return path


def test_words_survive_netextd(netext, talker, client, server):
    """Who writes while nobody reads is neither ended nor held up, and is heard again afterwards."""
    netext.start_session(talker)
    pid = netext.extension_pid("talker")
    netext.kill_netextd()
    for _ in range(3):
        assert client.tcp(80).error is None
    netext.restart_netextd()
    netext.wait_for_session("talker", "running")
    assert client.tcp(80).error is None
    wait_until(lambda: netext.session("talker").get("last_lines") == "\n".join(["flow to 80"] * 4),
               lambda: f"not all was heard: {netext.session('talker')}")
    assert started_at(pid)


def test_a_cause_is_of_its_own_start(store, workshop):
    """Not also of those before it; and it is forgotten when the extension runs."""
    store.activate(workshop.bundle(), "--approve")
    fate = workshop.state / "data" / IDENTIFIER / "fate"
    fate.write_text("dies\n")
    store.instance.kill(store.extension()["pid"])
    failed = store.wait_for_extension(process="failed", active=False)
    assert failed["message"] == "the extension ended 6 times in 10 s, the last time: exited with status 3"

    def cause():
        return "said hello" in store.extension()["message"] and store.extension()["message"]

    assert re.fullmatch(r"the extension was gone before it said hello: exited with status 3; does its main\(\) call "
                        r"nx_main\(\)\?; it wrote: it was asked to die( / it was asked to die){2}",
                        wait_until(cause, lambda: store.list(), 10))
    fate.unlink()
    store.instance.kill(store.wait_for_extension(active=True)["pid"])
    again = store.wait_for_extension(active=False)
    assert again["message"] == "the extension ran for a moment only: killed by signal 9 (Killed)"
