"""The WSGI environment of an ASGI request."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any, cast

from tracking_platform.serving.types import Environ, Scope

_UNPREFIXED = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


def wsgi_environ(scope: Scope, body: Any, length: int | None) -> Environ:
    """PEP 3333's dictionary for `scope`; `length` replaces the stated length of the body when it is given.

    Headers with an underscore are left out: in WSGI they could pass for the ones with a hyphen.
    """
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        # WSGI wants the path's bytes spelled as latin-1.
        "PATH_INFO": scope["path"].encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    _add_addresses(environ, scope)
    for name, value in scope["headers"]:
        _add_header(environ, name, value)
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    return environ


def _add_addresses(environ: Environ, scope: Scope) -> None:
    server = cast("tuple[str, int | None]", scope.get("server") or ("localhost", 80))
    environ["SERVER_NAME"], environ["SERVER_PORT"] = server[0], str(server[1] or 0)
    if client := scope.get("client"):
        environ["REMOTE_ADDR"] = client[0]


def _add_header(environ: Environ, name: bytes, value: bytes) -> None:
    key = _key(name)
    if key is None:
        return
    text = value.decode("latin-1")
    if key in environ:
        text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
    environ[key] = text


@lru_cache(maxsize=256)
def _key(name: bytes) -> str | None:
    """The header's name in the environment; None when it must not get there."""
    if b"_" in name:
        return None
    return _UNPREFIXED.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
