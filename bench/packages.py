# SPDX-License-Identifier: Apache-2.0
"""Debian packages of what netext is measured against. Only the benchmarks need them, so they
are no dependencies of the build: they are installed when a row wants them.
"""
import os
import pathlib
import subprocess

class NotAvailable(Exception):
    """A peer cannot be had here, or does not run; its rows are skipped."""


def is_installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
                          capture_output=True, text=True)
    return done.stdout == "installed"


class NoServices:
    """Packages that are installed meanwhile do not start their services (see tools/dependencies)."""

    POLICY = pathlib.Path("/usr/sbin/policy-rc.d")

    def __enter__(self):
        self.is_ours = not self.POLICY.exists()
        if self.is_ours:
            self.POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
            self.POLICY.chmod(0o755)

    def __exit__(self, *exc):
        if self.is_ours:
            self.POLICY.unlink()


def apt_get(*arguments):
    try:
        done = subprocess.run(["apt-get", "--quiet=2", "--yes", *arguments], capture_output=True, text=True,
                              timeout=180, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAvailable(str(error)) from error
    if done.returncode != 0:
        raise NotAvailable((done.stderr.strip().splitlines() or ["apt-get failed"])[-1])


def install(*packages):
    missing = [package for package in packages if not is_installed(package)]
    if not missing:
        return
    with NoServices():
        apt_get("update")
        apt_get("install", "--no-install-recommends", *missing)
