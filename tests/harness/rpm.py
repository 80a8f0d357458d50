# SPDX-License-Identifier: Apache-2.0
"""A machine whose packages are rpm's, for whoever is told to look at it."""
import pathlib
import shutil

from .namespace import run

PROGRAMS = ("rpm", "rpmbuild")
SPEC = """
Name: {name}
Version: 1
Release: 1
Summary: A package of a test
License: Apache-2.0
AutoReqProv: no
%define debug_package %{{nil}}
%define __os_install_post %{{nil}}
%description
It has one program.
%install
install -D /bin/true %{{buildroot}}{program}
%files
{program}
"""


def is_here():
    return all(shutil.which(program) for program in PROGRAMS)


class Machine:
    """Its /var/lib has nothing but a database of rpm, which is empty at first."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.database = self.folder / "database"
        run(["rpm", "--dbpath", self.database, "--initdb"])

    def within(self, *command):
        """The command line of a command there."""
        mount = "mount -t tmpfs none /var/lib; mkdir /var/lib/rpm; mount --bind $0 /var/lib/rpm; exec $@"
        return ["unshare", "--mount", "sh", "-ec", mount.replace("$@", '"$@"'), self.database, *command]

    def install(self, name, program):
        """The package is known to the database, and nothing else changes."""
        spec = self.folder / f"{name}.spec"
        spec.write_text(SPEC.format(name=name, program=program), encoding="utf-8")
        run(["rpmbuild", "-bb", "--dbpath", self.database, "--define", f"_topdir {self.folder}", spec])
        (package,) = self.folder.glob(f"RPMS/*/{name}-1-1.*.rpm")
        run(["rpm", "--dbpath", self.database, "--install", "--justdb", "--nodeps", package])
