"""Virtual environments of the official clients, made once under .venvs/ and used again while their requirements stay.

Run as a module to make them ahead of the tests: `python -m tests.e2e.environments`.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".venvs"
EXAMPLES = ROOT / "examples"

OLDEST_CLIENT = "neptune-client==0.16.18\nsimplejson<3.19\nsetuptools<81\n"
TORCH = "torch==2.13.0"


def requirements(name: str) -> str:
    if name == "neptune-0.16.18":
        return OLDEST_CLIENT
    return (EXAMPLES / f"requirements-{name}.txt").read_text()


def client_python(name: str) -> Path:
    """The interpreter of the environment `name` (neptune-1.x, neptune-0.16 or neptune-0.16.18), made when needed."""
    FOLDER.mkdir(exist_ok=True)
    folder, wanted = FOLDER / name, hashlib.sha256(requirements(name).encode()).hexdigest()
    stamp = folder / "requirements.sha256"
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            make_environment(folder, requirements(name))
            stamp.write_text(wanted)
    return folder / "bin" / "python"


def make_environment(folder: Path, wanted: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    if TORCH in wanted:  # alone and first, so that nothing else makes pip look for another build of it
        subprocess.run([*pip, TORCH], check=True)
    listed = folder / "requirements.txt"
    listed.write_text(wanted)
    subprocess.run([*pip, "--requirement", str(listed)], check=True)


if __name__ == "__main__":
    for environment in ("neptune-1.x", "neptune-0.16", "neptune-0.16.18"):
        print(client_python(environment), flush=True)  # noqa: T201 - progress of a long set-up
