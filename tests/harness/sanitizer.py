# SPDX-License-Identifier: Apache-2.0
"""A build with ASan, LSan and UBSan: what they report fails the test in which it happened.

Programs that inherit our environment write what they have to report to files in a folder of ours. Those
that netextd starts do not, and see no such folder: theirs is among its messages.
"""
import contextlib
import json
import os
import pathlib
import tempfile

from .paths import BUILD

REPORT = ("Sanitizer", "runtime error:")


def is_sanitized(build):
    options = json.loads((build / "meson-info/intro-buildoptions.json").read_text("utf-8"))
    return next(option["value"] for option in options if option["name"] == "b_sanitize") != "none"


SANITIZED = is_sanitized(BUILD)
# What compiles a program with libnetext in it.
CC = ["cc", "-fsanitize=address,undefined", "-static-libasan", "-static-libubsan"] if SANITIZED else ["cc"]
PATIENCE = 4 if SANITIZED else 1  # how much slower everything is


@contextlib.contextmanager
def collected():
    """The folder in which reports are from now on."""
    with tempfile.TemporaryDirectory(prefix="netext-reports-") as folder:
        os.chmod(folder, 0o1777)  # programs of other users have to report, too
        for which in ("ASAN", "UBSAN"):
            os.environ[f"{which}_OPTIONS"] = f"log_path={folder}/report:print_stacktrace=1"
        yield pathlib.Path(folder)


def take_reports(folder):
    """All of them, once."""
    found = sorted(folder.iterdir())
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in found]
    for file in found:
        file.unlink()
    return texts


def reports_in(messages):
    """The messages from the first line of a report on, or nothing."""
    starts = [messages.find(word) for word in REPORT if word in messages]
    return messages[messages.rfind("\n", 0, min(starts)) + 1:] if starts else ""
