"""What misbehaving tasks can do to the worker: nothing that lasts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.platform.task_worker import make_app
from tests.servers.platform import ROOT
from tests.servers.waiting import wait_for


@pytest.fixture
def worker(tmp_path) -> Iterator[subprocess.Popen[bytes]]:
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    process = subprocess.Popen([sys.executable, "-m", "tests.platform.task_worker", str(tmp_path)], cwd=ROOT)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def send(tmp_path) -> Iterator[Callable[..., object]]:
    app = make_app(tmp_path)
    yield app.send_task
    app.close()


def process_of(tmp_path: Path, name: str) -> int:
    """The number of the process that ran the task that leaves this name."""
    wait_for((tmp_path / name).exists, seconds=120, what=f"the task {name}")
    return int((tmp_path / name).read_text())


@pytest.mark.parametrize("task", ["hang", "crash"])
def test_a_task_that_hangs_or_crashes_costs_its_process_alone(worker, send, tmp_path, task):
    send("note", args=["before"])
    before = process_of(tmp_path, "before")

    # One after the other: the broker of files hands out what came within one millisecond in any order.
    send(task)
    assert process_of(tmp_path, task) == before
    send("note", args=["after"])

    assert process_of(tmp_path, "after") != before
    assert worker.poll() is None


def test_a_process_that_is_killed_while_it_waits_ends_the_worker(worker, send, tmp_path):
    """Its successor would wait for ever; the supervisor starts another worker."""
    send("note", args=["before"])
    waiting = psutil.Process(process_of(tmp_path, "before"))
    wait_for(lambda: waiting.status() == psutil.STATUS_SLEEPING, what="its waiting for the next task")

    os.kill(waiting.pid, signal.SIGKILL)

    assert worker.wait(120) == 1
