"""Connections to PostgreSQL that are kept from request to request."""

from __future__ import annotations

import pytest
from django.db import connection, connections
from django.db.backends.postgresql import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's connections"),
]


@pytest.fixture(autouse=True)
def _health_checks():
    connection.ensure_connection()
    for name, value in (("health_check_enabled", True), ("health_check_done", False)):
        setattr(connection, name, value)
    yield
    connection.close()


def backend() -> int:
    """The server's process behind the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def begin_request() -> None:
    connection.close_if_unusable_or_obsolete()


def test_a_healthy_connection_is_kept_without_asking_the_server(monkeypatch):
    first = backend()
    asked = []
    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", lambda self: asked.append(self) or True)
    begin_request()
    assert backend() == first
    assert asked == []


def test_a_connection_that_the_server_ended_is_made_anew():
    first = backend()
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    finally:
        other.close()
    begin_request()
    assert backend() != first


def test_after_an_error_the_server_is_asked(monkeypatch):
    backend()
    asked = []
    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", lambda self: asked.append(self) or True)
    connection.errors_occurred = True
    begin_request()
    assert len(asked) == 1
