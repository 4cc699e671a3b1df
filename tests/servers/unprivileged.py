"""Running server programs as someone else than root, who PostgreSQL refuses to be run by."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

USER = "nobody"


def is_root() -> bool:
    return os.geteuid() == 0


def as_user() -> dict[str, Any]:
    """Arguments for subprocess that drop root's rights when we have them."""
    return {"user": USER, "group": "nogroup", "extra_groups": []} if is_root() else {}


@contextmanager
def readable_copy(site: Path, *parts: str) -> Iterator[Path]:
    """`site` itself, or for root a copy of its `parts` where the other user may read them."""
    if not is_root():
        yield site
        return
    folder = Path(tempfile.mkdtemp(prefix="programs-"))
    folder.chmod(0o755)
    try:
        for part in parts:
            shutil.copytree(site / part, folder / part, symlinks=True)
        for parent in {parent for part in parts for parent in (folder / part).parents if parent.is_relative_to(folder)}:
            parent.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder below the system's temporary one that belongs to whoever the program runs as."""
    folder = Path(tempfile.mkdtemp(prefix="server-"))
    if is_root():
        shutil.chown(folder, USER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
