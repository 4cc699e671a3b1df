"""The second `make run` until /readyz answers, in a copy of the tree that was set up before."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench.processes import ROOT, free_port, running
from bench.report import Measured, within
from bench.session import Session

WORK, UNIT, LIMIT = "second `make run` until /readyz", "s", 5.0


def measure(session: Session) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-run-") as folder:
        tree = copy_of_the_tree(Path(folder))
        _start(tree, Path(folder))  # the first: sets up, makes the database
        seconds = Measured.of(_start(tree, Path(folder)) for _ in range(session.sizes.slow_repeats))
    session.rows.append(within(WORK, seconds, UNIT, limit=LIMIT))


def copy_of_the_tree(folder: Path) -> Path:
    """The files git knows and what was built, as they are, with their times; the Python environment is shared."""
    tree = folder / "tree"
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    shutil.copytree(ROOT / ".build", tree / ".build", symlinks=True)
    (tree / ".venv").symlink_to((ROOT / ".venv").resolve())
    return tree


def _start(tree: Path, folder: Path) -> float:
    """Seconds from `make run` to the first answer of /readyz."""
    port = free_port()
    environment = {"DATA_DIR": str(folder / "data"), "PORT": str(port), "HOST": "127.0.0.1"}
    started = time.monotonic()
    with running(
        ["make", "run"], ready=f"http://127.0.0.1:{port}/readyz", log=folder / "log", environment=environment, cwd=tree
    ):
        return time.monotonic() - started
