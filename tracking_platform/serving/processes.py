"""Ties between processes: nobody outlives the one who started it, and each says in `ps -o comm` what it is."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_M_ARENA_MAX = -8


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to kill this process when its parent ends, however that ends (Linux; elsewhere nothing happens).

    Killing is safe: whatever was acknowledged is in the database, and unfinished tasks are found again.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid() if parent is None else parent
    _c_library().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended just before the call
        os.kill(os.getpid(), signal.SIGKILL)


def name_process(name: str) -> None:
    """Set the name that `ps -o comm` and `top` show (Linux; at most 15 characters). Forked processes share the command
    line of the first."""
    if sys.platform == "linux":
        _c_library().prctl(_PR_SET_NAME, name.encode()[:15])


def use_few_memory_arenas() -> None:
    """Let threads share two of the allocator's arenas: one for each thread would keep what each of them once freed."""
    if sys.platform == "linux" and hasattr(library := _c_library(), "mallopt"):  # glibc; others have no arenas
        library.mallopt(_M_ARENA_MAX, 2)


def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
