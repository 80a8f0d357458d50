# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition: never longer than it takes, never for ever."""
import time

from .sanitizer import PATIENCE


def wait_until(condition, what, timeout=5):
    """Returns the first true value of condition(). It is asked after some milliseconds at first, and less
    often the longer it takes: what asks is in the way of what it waits for."""
    timeout *= PATIENCE
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        if waited >= timeout:
            raise AssertionError(f"{what() if callable(what) else what} within {timeout} s")
        time.sleep(min(max(0.01, waited / 10), 0.1))
