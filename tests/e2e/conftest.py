"""The official clients, each in its own virtual environment, running scripts against the platform as users do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.environments import client_python
from tests.e2e.native import NativeApi
from tests.servers.platform import Platform

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass
class Client:
    """One of the official clients: an interpreter that has it, and a folder and environment to run scripts in."""

    name: str
    python: Path
    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def is_old(self) -> bool:
        return self.name.startswith("neptune-0.16")

    def start(self, script: str | Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a script (a name stands for one in scripts/); its output and its errors come together."""
        path = SCRIPTS / script if isinstance(script, str) else script
        process = subprocess.Popen(
            [str(self.python), str(path), *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, script: str | Path, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run a script to its end; its exit status and output."""
        process = self.start(script, *arguments, **variables)
        output, _ = process.communicate(timeout=240)
        return process.returncode, output

    def start_run(self, script: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        """Start a script and wait until it says that its run exists; also the run's id, such as TUT-3."""
        process = self.start(script, *arguments)
        assert process.stdout is not None
        read: list[str] = []
        for line in process.stdout:
            read.append(line)
            if line.startswith("started"):
                return process, line.split()[1]
        raise AssertionError("".join(read))


def make_client(name: str, folder: Path, platform: Platform) -> Iterator[Client]:
    client = Client(name, client_python(name), folder, {**platform.client_environment(), "PYTHONUNBUFFERED": "1"})
    yield client
    for process in client.started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(params=["neptune-1.x", "neptune-0.16"])
def client(request: pytest.FixtureRequest, tmp_path: Path, live_platform: Platform) -> Iterator[Client]:
    """Both clients that the example supports, one after the other."""
    yield from make_client(request.param, tmp_path, live_platform)


@pytest.fixture(params=["neptune-1.x", "neptune-0.16", "neptune-0.16.18"])
def any_client(request: pytest.FixtureRequest, tmp_path: Path, live_platform: Platform) -> Iterator[Client]:
    """Also the older release, in an environment without PyTorch."""
    yield from make_client(request.param, tmp_path, live_platform)


@pytest.fixture
def native(live_platform: Platform) -> NativeApi:
    """The platform's own API: the independent look at what a client logged."""
    return NativeApi(live_platform.url, live_platform.token, live_platform.project)


@pytest.fixture(scope="session", autouse=True)
def _git_identity() -> None:
    """Commits that tests make need an author, whatever the machine is set to."""
    for who in ("AUTHOR", "COMMITTER"):
        os.environ.setdefault(f"GIT_{who}_NAME", "Test")
        os.environ.setdefault(f"GIT_{who}_EMAIL", "test@example.org")
