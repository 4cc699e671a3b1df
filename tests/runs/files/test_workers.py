"""A real worker on a real broker, killed and robbed of its messages; the job is done all the same."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis as client

from tests.servers.redis import redis
from tests.servers.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
SERVERS = {"DATABASE_URL", "REDIS_URL", "STORAGE_URL"}


class Installation:
    """A database, a broker and a storage of their own, and the processes that use them."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder, self.redis_url = folder, redis_url
        inherited = {name: value for name, value in os.environ.items() if name not in SERVERS}
        self.environment = {**inherited, "DATA_DIR": str(folder), "REDIS_URL": redis_url}

    def run(self, *command: str) -> None:
        subprocess.run([sys.executable, *command], cwd=ROOT, env=self.environment, check=True, timeout=120)

    def do(self, *command: str) -> None:
        self.run("-m", "tests.runs.files.logging_process", *command)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "database.sqlite3", timeout=30, isolation_level=None) as connection:
            return connection.execute(statement).fetchall()

    def states(self) -> list[str]:
        return [state for (state,) in self.sql("SELECT state FROM runs_processingjob ORDER BY id")]

    def thumbnails(self) -> list[tuple[Any, ...]]:
        """Those of the newest file."""
        newest = "(SELECT max(file_id) FROM runs_thumbnail)"
        return self.sql(f"SELECT size, width FROM runs_thumbnail WHERE file_id = {newest} ORDER BY size")  # noqa: S608

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        command = ["-m", "celery", "--quiet", "--app", "tracking_platform", "worker", "--concurrency", "1"]
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=self.environment,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            kill(process)

    def lose_messages(self) -> None:
        if self.redis_url:
            client.Redis.from_url(self.redis_url).flushall()
        else:
            shutil.rmtree(self.folder / "broker")

    def let_time_pass(self) -> None:
        """Minutes go by: leases end, and messages that were sent count as lost."""
        self.sql("UPDATE runs_processingjob SET lease_until = datetime('now', '-1 hour') WHERE lease_until IS NOT NULL")
        self.sql("UPDATE runs_processingjob SET sent_at = datetime('now', '-1 hour') WHERE sent_at IS NOT NULL")


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for the worker and its children, as when the machine fails."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


@pytest.fixture(scope="module", params=["files", "redis"])
def installation(request, tmp_path_factory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "files":
        yield _prepared(Installation(folder, ""))
        return
    with redis() as url:
        yield _prepared(Installation(folder, url))


def _prepared(installation: Installation) -> Installation:
    installation.run("manage.py", "migrate", "--verbosity", "0")
    installation.do("prepare")
    return installation


def test_an_uploaded_image_gets_its_thumbnails(installation):
    with installation.worker():
        installation.do("upload", "1000")
        wait_for(lambda: installation.states()[-1] == "done", what="the thumbnails")
    assert installation.thumbnails() == [(160, 160), (480, 480)]


def test_a_worker_killed_in_the_middle_is_followed_by_one_that_does_the_job(installation):
    with installation.worker() as worker:
        installation.do("upload", "7000")
        wait_for(lambda: installation.states()[-1] == "running", what="the worker to begin")
        kill(worker)
    assert installation.states()[-1] == "running"
    installation.let_time_pass()
    with installation.worker():
        installation.do("requeue")
        wait_for(lambda: installation.states()[-1] == "done", what="the second worker")
    assert installation.sql("SELECT attempts FROM runs_processingjob ORDER BY id DESC LIMIT 1") == [(2,)]
    assert installation.thumbnails() == [(160, 160), (480, 480)]


def test_a_lost_message_is_sent_again(installation):
    installation.do("upload", "100")
    installation.lose_messages()
    with installation.worker():
        assert installation.states()[-1] == "queued"
        installation.let_time_pass()
        installation.do("requeue")
        wait_for(lambda: installation.states()[-1] == "done", what="the job whose message was lost")


def test_hostile_messages_do_not_stop_the_worker(installation):
    with installation.worker() as worker:
        installation.do("harass")
        installation.do("upload", "100")
        wait_for(lambda: set(installation.states()) == {"done"}, what="the job behind the hostile messages")
        assert worker.poll() is None
