"""The programs of the group. Each is called in a process of its own, forked from one that has everything loaded."""

from __future__ import annotations

import multiprocessing
import warnings
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.template import engines
from django.urls import get_resolver

from tracking_platform.celery import app
from tracking_platform.serving.clock import start_clock
from tracking_platform.serving.processes import collect_garbage_less, give_memory_back
from tracking_platform.serving.supervisor import Program
from tracking_platform.serving.task_pool import TaskPool


def programs() -> list[Program]:
    return [Program("web server", serve_web), Program("task worker", run_tasks)]


def load() -> None:
    """Import what the programs need, so that they share it. Nothing here opens a connection or starts a thread."""
    import celery.apps.worker  # noqa: F401
    import granian.server.mp  # noqa: F401
    import uvloop  # noqa: F401

    import tracking_platform.serving.bridge
    import tracking_platform.serving.signals  # noqa: F401

    get_resolver().url_patterns  # noqa: B018 - loads every view
    engines.all()
    default_storage.exists  # noqa: B018 - loads the storage's library
    app.loader.import_default_modules()
    app.finalize()
    app.connection_for_write().transport  # noqa: B018 - loads the broker's library; connects nowhere


def serve_web() -> None:
    """granian, whose workers are forked in turn. One that dies is replaced at once; one that does not drain in time is
    ended."""
    from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
    from granian.log import LogLevels
    from granian.server.mp import MPServer

    give_memory_back()
    collect_garbage_less()
    multiprocessing.set_start_method("fork", force=True)
    has_tls = bool(settings.TLS_CERTIFICATE)
    MPServer(
        "tracking_platform.asgi:application",
        address=settings.HOST,
        port=settings.PORT,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        workers=settings.WEB_WORKERS,
        loop=Loops.uvloop,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=15,
        ssl_cert=Path(settings.TLS_CERTIFICATE) if has_tls else None,
        ssl_key=Path(settings.TLS_KEY) if has_tls else None,
        ssl_protocol_min=SSLProtocols.tls12,
    ).serve()


def run_tasks() -> int:
    """A Celery worker, whose processes are forked in turn, and the clock that says when periodic tasks are due."""
    # Celery warns of root because messages could be pickled; ours are JSON.
    warnings.filterwarnings("ignore", module="celery.platforms")
    give_memory_back()
    start_clock(app)
    worker = app.Worker(
        pool_cls=TaskPool,
        concurrency=settings.TASK_PROCESSES,
        loglevel=settings.LOG_LEVEL,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)
