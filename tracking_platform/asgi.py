"""ASGI entry point: `tracking_platform.asgi:application`. HTTP goes to Django, WebSockets to the run signals."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracking_platform.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections

_django = get_wsgi_application()

from api.short_way import ShortWay  # noqa: E402
from tracking_platform.serving.bridge import ThreadedBridge  # noqa: E402
from tracking_platform.serving.processes import die_with_parent, name_process, take_turns_sooner  # noqa: E402
from tracking_platform.serving.signals import SignalSockets  # noqa: E402
from tracking_platform.serving.types import Receive, Scope, Send  # noqa: E402

die_with_parent()
take_turns_sooner()
name_process("web worker")
_http = ThreadedBridge(
    ShortWay(_django),
    threads=settings.WEB_THREADS,
    streams=settings.WEB_STREAM_THREADS,
    spool_folder=settings.FILE_UPLOAD_TEMP_DIR,
    release=connections.close_all,
)
_signals = SignalSockets()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await _http(scope, receive, send)
    elif scope["type"] == "websocket":
        await _signals(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _live(receive, send)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            _http.close()
            _signals.close()
            return
