# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mounts that only we and what we start can see (Linux).

The namespace belongs to the thread that enters it; processes and threads that it starts from then on are in it too.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time

_CLONE_NEWNS = 0x20000
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _BIND, _RECURSIVE, _SLAVE = 1, 2, 4, 4096, 16384, 1 << 19
_DETACH = 2
_BACK_S = 5


class MountNamespace:
    """What is mounted outside goes on to show here, and nothing of ours shows outside. All methods but leave() raise OSError."""

    def __init__(self):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._outside = None
        self._mounted = []

    def enter(self):
        """Leaves the mounts of the machine for a copy of them."""
        self._outside = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        self._check(self._libc.unshare(_CLONE_NEWNS), "unshare")
        self._mount(None, "/", None, _RECURSIVE | _SLAVE)

    def bind(self, source, target):
        """Shows a file or directory at another place, over what is there."""
        self._mount(source, target, None, _BIND)
        self._mounted.append(target)

    def mount(self, device, target, file_system, options=""):
        """Mounts a device for reading alone."""
        self._mount(device, target, file_system, _READ_ONLY | _NO_SETUID | _NO_DEVICES, options)
        self._mounted.append(target)

    def leave(self):
        """Takes back every mount and returns to the mounts of the machine, unless threads that still end keep us here."""
        while self._mounted:
            self._libc.umount2(os.fsencode(self._mounted.pop()), _DETACH)
        if self._outside is None:
            return
        deadline = time.monotonic() + _BACK_S
        place = os.getcwd()
        while self._libc.setns(self._outside, _CLONE_NEWNS) != 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        with contextlib.suppress(OSError):
            os.chdir(place)
        os.close(self._outside)
        self._outside = None

    def _mount(self, source, target, file_system, flags, options=""):
        texts = [None if text is None else os.fsencode(text) for text in (source, target, file_system)]
        self._check(self._libc.mount(*texts, ctypes.c_ulong(flags), os.fsencode(options)), target)

    def _check(self, result, place):
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), place)
