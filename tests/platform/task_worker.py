"""A task worker like the platform's, with tasks that misbehave: `python -m tests.platform.task_worker FOLDER`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from celery import Celery

from tracking_platform.serving.task_pool import TaskPool


def make_app(folder: Path) -> Celery:
    """An application whose broker are files in `folder`, made like the platform's."""
    app = Celery("misbehaving", broker="filesystem://", set_as_current=False)
    app.conf.update(
        broker_transport_options={
            **{f"data_folder_{way}": str(folder / "messages") for way in ("in", "out")},
            "control_folder": str(folder / "control"),
            "polling_interval": 0.05,
        },
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
    )
    return app


def add_tasks(app: Celery, folder: Path) -> None:
    @app.task(name="note")
    def note(name: str) -> None:
        """Leave the number of this process; the name appears once the number is whole."""
        unfinished = folder / f"{name}.unfinished"
        unfinished.write_text(str(os.getpid()))
        unfinished.rename(folder / name)

    @app.task(name="hang", time_limit=1)
    def hang() -> None:
        note("hang")
        while True:
            time.sleep(60)

    @app.task(name="crash")
    def crash() -> None:
        note("crash")
        os.kill(os.getpid(), signal.SIGSEGV)


def main() -> int:
    folder = Path(sys.argv[1])
    app = make_app(folder)
    app.set_current()
    add_tasks(app, folder)
    worker = app.Worker(
        pool_cls=TaskPool,
        concurrency=1,
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
