"""`/healthz` says that the process is up; `/readyz` says of each part whether it can be used. No login, no secrets."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from tracking_platform.migrated import is_migrated

logger = logging.getLogger(__name__)


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when every part works, else 503; `tasks` is told for information and fails nothing."""
    parts = {name: {"status": "ok" if _works(name, check) else "down"} for name, check in CHECKS.items()}
    is_ready = all(part["status"] == "ok" for part in parts.values())
    body = {"status": "ok" if is_ready else "down", "parts": parts, "tasks": task_heartbeat()}
    return JsonResponse(body, status=200 if is_ready else 503)


def _works(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception as error:
        logger.warning("Not ready: %s: %s: %s", name, type(error).__name__, error)
        return False
    return True


def check_database() -> None:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT 1")


def check_migrations() -> None:
    _require_no_migration()


@cache  # an exception is not kept: once nothing is missing, nothing will be until this process is replaced
def _require_no_migration() -> None:
    if not is_migrated():
        raise RuntimeError("migrations are missing")


def check_storage() -> None:
    if isinstance(default_storage, FileSystemStorage):
        _check_folder(Path(default_storage.location))
        return
    bucket: Any = default_storage.bucket  # type: ignore[attr-defined]
    bucket.meta.client.head_bucket(Bucket=bucket.name)


def check_broker() -> None:
    if not settings.REDIS_URL:
        _check_folder(settings.BROKER_DIR / "messages")
        return
    import redis

    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as client:
        client.ping()


def _check_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as stream:
        stream.write(b"ok")


def heartbeat_file() -> Path:
    return Path(settings.DATA_DIR) / "task-heartbeat"


def note_task_heartbeat() -> None:
    """Called by a periodic task: the scheduler, the broker and a worker are all alive."""
    path = heartbeat_file()
    path.touch(mode=0o600)
    os.utime(path)


def task_heartbeat() -> dict[str, Any]:
    """Seconds since a periodic task last ran on this machine; None when none has."""
    try:
        age = time.time() - heartbeat_file().stat().st_mtime
    except FileNotFoundError:
        return {"last_seen_seconds": None}
    return {"last_seen_seconds": round(max(age, 0.0), 1)}


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "migrations": check_migrations,
    "storage": check_storage,
    "broker": check_broker,
}
