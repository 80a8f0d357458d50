# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition: never longer than it takes, never for ever."""
import time


def wait_until(condition, what, timeout=5):
    """Returns the first true value of condition(), asked every few milliseconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what() if callable(what) else what} within {timeout} s")
        time.sleep(0.01)
