"""Which database, broker and storage the tests run on.

By default the embedded ones. `python -m tests.servers COMMAND…` starts PostgreSQL, Redis and an S3 server and runs the
command with their addresses in its environment; the same tests then run on those.
"""

from __future__ import annotations

import os
import uuid
from urllib.parse import urlsplit, urlunsplit

import psycopg

NAMES = ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")


def is_embedded() -> bool:
    return not os.environ.get("DATABASE_URL")


def platform_settings() -> dict[str, str]:
    """The environment for a platform started by a test: the same servers, but a database and a broker of its own."""
    if is_embedded():
        return {}
    settings = {name: os.environ[name] for name in NAMES}
    settings["DATABASE_URL"] = new_database(settings["DATABASE_URL"])
    settings["REDIS_URL"] = urlunsplit(urlsplit(settings["REDIS_URL"])._replace(path="/1"))
    settings["STORAGE_URL"] = settings["STORAGE_URL"].replace("?", f"/{uuid.uuid4().hex}?", 1)
    return settings


def new_database(url: str) -> str:
    """Create an empty database on the server of `url` and return its address."""
    name = f"platform_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
