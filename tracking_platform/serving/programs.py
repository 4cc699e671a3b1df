"""The programs of the group, from the settings."""

from __future__ import annotations

import sys
from pathlib import Path

from django.conf import settings

from tracking_platform.serving.supervisor import Program


def programs() -> list[Program]:
    return [web_server(), task_worker(), scheduler()]


def environment() -> dict[str, str]:
    """The programs work in the repository's folder, wherever `serve` was started."""
    return {"DATA_DIR": str(settings.DATA_DIR)}


def web_server() -> Program:
    command = [
        *(sys.executable, "-m", "granian", "tracking_platform.asgi:application"),
        *("--interface", "asgi", "--http", "1", "--host", settings.HOST, "--port", str(settings.PORT)),
        *("--workers", str(settings.WEB_WORKERS), "--loop", "uvloop", "--log-level", "warning"),
        # A worker that dies is replaced at once; one that does not drain in time is ended.
        *("--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "15"),
    ]
    if settings.TLS_CERTIFICATE:
        command += ["--ssl-certificate", settings.TLS_CERTIFICATE, "--ssl-keyfile", settings.TLS_KEY]
        command += ["--ssl-protocol-min", "tls1.2"]
    return Program("web server", command, environment())


def task_worker() -> Program:
    command = [
        *(sys.executable, "-m", "celery", "--quiet", "--app", "tracking_platform", "worker"),
        *("--concurrency", str(settings.TASK_PROCESSES), "--loglevel", settings.LOG_LEVEL),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
    # Celery warns of root because messages could be pickled; ours are JSON.
    return Program("task worker", command, {**environment(), "PYTHONWARNINGS": "ignore:::celery.platforms"})


def scheduler() -> Program:
    folder = Path(settings.DATA_DIR) / "scheduler"
    folder.mkdir(mode=0o700, exist_ok=True)
    command = [
        *(sys.executable, "-m", "celery", "--quiet", "--app", "tracking_platform.scheduler", "beat"),
        *("--schedule", str(folder / "schedule"), "--pidfile", "", "--loglevel", "WARNING"),
    ]
    return Program("scheduler", command, environment())
