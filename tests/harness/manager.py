# SPDX-License-Identifier: Apache-2.0
"""A program that uses the manager half of libnetext, the shared one, in this process."""
import ctypes

import pytest

from .paths import STAGE
from .sanitizer import SANITIZED

ASK, YES, NO, NEWER = range(4)


class Activation(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("path", ctypes.c_char_p), ("replace", ctypes.c_int)]


def library():
    if SANITIZED:
        pytest.skip("a sanitized library cannot be loaded by a Python that is not")
    found = sorted(STAGE.glob("lib/**/libnetext.so.0"))
    made = ctypes.CDLL(str(found[0]))
    made.nx_manager_get_error.restype = ctypes.c_char_p
    made.nx_manager_get_error.argtypes = [ctypes.c_void_p]
    made.nx_manager_close.argtypes = [ctypes.c_void_p]
    made.nx_manager_open.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p,
                                     ctypes.POINTER(ctypes.c_char_p)]
    made.nx_manager_activate.argtypes = [ctypes.c_void_p, ctypes.POINTER(Activation),
                                         ctypes.POINTER(ctypes.c_uint64)]
    made.nx_manager_reply_to_request.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_bool]
    return made


class Manager:
    """A connection to netextd; closed like its handle."""

    def __init__(self, instance):
        self.library = library()
        self.handle = ctypes.c_void_p()
        problem = ctypes.c_char_p()
        r = self.library.nx_manager_open(ctypes.byref(self.handle), instance.encode(), ctypes.byref(problem))
        assert r == 0, problem.value

    def check(self, r):
        assert r >= 0, self.library.nx_manager_get_error(self.handle).decode()

    def activate(self, path, replace=ASK):
        """The request's number."""
        activation = Activation(ctypes.sizeof(Activation), str(path).encode(), replace)
        number = ctypes.c_uint64()
        self.check(self.library.nx_manager_activate(self.handle, ctypes.byref(activation), ctypes.byref(number)))
        return number.value

    def reply(self, number, replace):
        self.check(self.library.nx_manager_reply_to_request(self.handle, number, replace))

    def close(self):
        self.library.nx_manager_close(self.handle)
