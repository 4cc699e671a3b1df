"""The real platform, started as people start it: `manage.py serve` on a free port with its own DATA_DIR.

    def test_something(live_platform):
        requests.get(live_platform.url + "/readyz")

A test that needs other settings starts its own: `with running_platform(tmp_path, TLS_KEY=…) as platform: …`.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil
import requests

from tests.servers.ports import free_port
from tests.servers.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
# Settings of the test run itself that must not leak into the servers it starts.
_NOT_INHERITED = {
    *("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"),
    *("BASE_URL", "HOST", "PORT", "DATA_DIR", "SECRET_KEY", "DEBUG"),
}


class Platform:
    """A group of processes of the platform and what is needed to use it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data_dir = folder
        self.port = int(settings.get("PORT") or free_port())
        scheme = "https" if settings.get("TLS_CERTIFICATE") else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        self.environment = {
            **inherited, "DATA_DIR": str(folder), "HOST": "127.0.0.1", "PORT": str(self.port), **settings
        }  # fmt: skip
        self.log_path = folder.with_name(folder.name + ".log")
        self.process: subprocess.Popen[bytes] | None = None

    # --- what a script needs ---
    @property
    def env_file(self) -> Path:
        return self.data_dir / "first-run.env"

    def variables(self) -> dict[str, str]:
        """The pairs in first-run.env."""
        words = shlex.split(self.env_file.read_text(), comments=True)
        return dict(word.split("=", 1) for word in words if "=" in word)

    @property
    def user(self) -> str:
        return self.variables()["TRACKING_USER"]

    @property
    def password(self) -> str:
        return self.variables()["TRACKING_PASSWORD"]

    @property
    def token(self) -> str:
        return self.variables()["NEPTUNE_API_TOKEN"]

    @property
    def project(self) -> str:
        return self.variables()["NEPTUNE_PROJECT"]

    def client_environment(self) -> dict[str, str]:
        """The environment for a script that logs here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NEPTUNE_", "OAUTHLIB_"))}
        return {**kept, **self.variables()}

    # --- its life ---
    def start(self, *, seconds: float = 90.0) -> None:
        """Start the group and wait until every part works and it has said so."""
        set_up()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        logged = len(self.log()) if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        ready = "Tracking Platform is ready"
        wait_for(lambda: ready in self.log()[logged:] or self._gave_up(), seconds=seconds, what=f"{self.url}/readyz")
        assert self.process.poll() is None, f"The platform ended while starting:\n{self.log()}"

    def stop(self) -> int:
        """Stop it as Ctrl-C does; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5, verify=False).status_code == 200  # noqa: S501
        except requests.RequestException:
            return False

    def processes(self, word: str) -> list[psutil.Process]:
        """The group's processes whose name has `word`: web server, web worker, task worker, task process."""
        assert self.process is not None
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in found if word in _name(process)]

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def _gave_up(self) -> bool:
        return self.process is not None and self.process.poll() is not None


@cache
def set_up() -> None:
    """The same set-up that `make run` does first; static files that were changed since are collected."""
    subprocess.run(["scripts/bootstrap.sh"], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


@contextmanager
def running_platform(folder: Path, **settings: str) -> Iterator[Platform]:
    """A platform with its data in `folder` and the given environment, stopped at the end."""
    platform = Platform(folder, **settings)
    try:
        platform.start()
        yield platform
    finally:
        if platform.process is not None and platform.process.poll() is None:
            platform.stop()
