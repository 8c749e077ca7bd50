"""Landlock: a process gives up the file system, TCP and signals for good (Linux 5.13 and newer, no rights needed).

A decoder that a recording has taken over would otherwise run as the service's user: it could read the signing key into
its verdict, delete the records, or end the service. See https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ASK_VERSION, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
#: bits of file access, of TCP, and of what reaches beyond the process, by the version that brought them
_FILES = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_TCP = {4: 0b11}
_SCOPES = {6: 0b11}
_NO_NEW_PRIVILEGES = 38


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of Landlock that this system has; 0 if none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(_libc().syscall(_CREATE, None, 0, _ASK_VERSION)))


def libraries() -> list[str]:
    """Folders that code is read from while it runs: this package, Python's own, the system's libraries.

    Not all of ``sys.path``: a working folder in it may hold the records.
    """
    wanted = {os.path.dirname(os.path.dirname(__file__)), "/usr/lib", "/usr/lib64", "/lib", "/lib64"}
    wanted |= {sys.prefix, sys.base_prefix, sys.exec_prefix}
    wanted |= {path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages", "lib-dynload")}
    return sorted(path for path in wanted if os.path.isdir(path) and os.path.realpath(path) != "/")


def shut(files: Iterable[str], folders: Iterable[str]) -> bool:
    """From now on this process, and what it starts, may read ``files`` and what is in ``folders``, and nothing else.

    Nothing can be written, made, renamed, deleted or executed; no TCP connection can be made or taken (Linux 6.7), no
    process outside can be signalled (Linux 6.12). What is open stays open.

    Returns
    -------
    bool
        False where the system has no Landlock; then nothing has changed.

    Raises
    ------
    PermissionError
        If the system has it and refuses.
    """
    has = version()
    if not has:
        return False
    libc = _libc()
    rules = _Ruleset(*(sum(bit for v, bit in bits.items() if v <= has) for bits in (_FILES, _TCP, _SCOPES)))
    ruleset = _checked(libc.syscall(_CREATE, ctypes.byref(rules), ctypes.sizeof(rules), 0))
    for paths, allowed in ((files, _READ_FILE), (folders, _READ_FILE | _READ_DIR)):
        for path in paths:
            parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = _Beneath(allowed, parent)
            _checked(libc.syscall(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
            os.close(parent)
    _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(libc.syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)
    return True


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        raise PermissionError(ctypes.get_errno(), "the system refused to confine this process")
    return result
