"""Ties between processes: nobody outlives the one who started it, and each says in `ps -o comm` what it is."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of mallopt(3)


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


def give_memory_back() -> None:
    """Let the C library keep little of what is freed: threads share two arenas, where each would have one of its own,
    and large blocks go back to the system at once, where some of them would be kept once others were freed."""
    if sys.platform == "linux" and hasattr(library := _c_library(), "mallopt"):  # glibc
        library.mallopt(_M_ARENA_MAX, 2)
        library.mallopt(_M_MMAP_THRESHOLD, 1024 * 1024)


def collect_garbage_less() -> None:
    """Look for cycles of dead objects after every 20,000 new ones instead of 700: an answer is made of thousands that
    live until it is sent, and to look at them again and again took a tenth of its time."""
    gc.set_threshold(20_000, 20, 50)


def take_turns_sooner() -> None:
    """Let a thread that was waiting for the interpreter have it after 1 ms instead of 5: a thread that writes to SQLite
    gives it away at every row, and whole groups of requests wait for each time that it does not come back."""
    sys.setswitchinterval(0.001)


def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
