"""The small site that bench/serving.py serves in every way compared, with the platform's settings and middleware.

Applications: `wsgi`, `native` (Django's ASGI handler), `a2wsgi`, `bridge` (ours).
"""

# ruff: noqa: E402
from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracking_platform.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

wsgi = get_wsgi_application()
settings.ROOT_URLCONF = __name__

import orjson
from a2wsgi import WSGIMiddleware
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tracking_platform.serving.bridge import ThreadedBridge

THREADS = 8
BLOCK = 64 * 1024


def query(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok")


@csrf_exempt
def batch(request: HttpRequest) -> HttpResponse:
    count = len(orjson.loads(request.read()))
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"count": count})


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    digest, length = hashlib.sha256(), 0
    while block := request.read(BLOCK):
        digest.update(block)
        length += len(block)
    return JsonResponse({"length": length, "sha256": digest.hexdigest(), "stated": request.META.get("CONTENT_LENGTH")})


def download(request: HttpRequest) -> StreamingHttpResponse:
    def blocks() -> Iterator[bytes]:
        for _ in range(150 * 16):
            yield b"\0" * BLOCK

    return StreamingHttpResponse(blocks())


def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(3)
    return HttpResponse("done")


urlpatterns = [path(view.__name__, view) for view in (query, batch, upload, download, slow)]

native = get_asgi_application()
a2wsgi: Any = WSGIMiddleware(cast("Any", wsgi), workers=THREADS)
_bridge = ThreadedBridge(wsgi, threads=THREADS, streams=THREADS, spool_folder=settings.FILE_UPLOAD_TEMP_DIR)


async def bridge(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await _bridge(scope, receive, send)
    elif scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
