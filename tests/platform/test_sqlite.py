"""Writers of one process wait for each other in line, and whatever ends a transaction lets the next one in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from projects.models import Organization
from tests.servers.backends import is_embedded
from tracking_platform.sqlite import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not is_embedded(), reason="PostgreSQL lets writers in side by side"),
]


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """Run `work` with a connection of its own, which is closed at the end."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def write(name: str) -> None:
    with transaction.atomic():
        Organization.objects.create(name=name)


def test_a_writer_waits_until_the_one_before_has_committed():
    begun, go_on = threading.Event(), threading.Event()
    ended: list[str] = []

    def first() -> None:
        with transaction.atomic():
            Organization.objects.create(name="first")
            begun.set()
            go_on.wait(30)
        ended.append("first")

    def second() -> None:
        begun.wait(30)
        write("second")
        ended.append("second")

    threads = [in_thread(first), in_thread(second)]
    begun.wait(30)
    assert base._writing.locked()
    go_on.set()
    for thread in threads:
        thread.join()

    assert sorted(ended) == ["first", "second"]
    assert Organization.objects.count() == 2
    assert not base._writing.locked()


def roll_back() -> None:
    with transaction.atomic():
        Organization.objects.create(name="undone")
        transaction.set_rollback(True)


def fail() -> None:
    with suppress(ZeroDivisionError), transaction.atomic():
        Organization.objects.create(name="undone")
        raise ZeroDivisionError


def lose_the_connection() -> None:
    with suppress(DatabaseError), transaction.atomic():
        Organization.objects.create(name="undone")
        connection.close()
        Organization.objects.count()


def fail_to_commit() -> None:
    def refuse() -> None:
        raise OperationalError("database or disk is full")

    with suppress(OperationalError), pytest.MonkeyPatch.context() as patch, transaction.atomic():
        Organization.objects.create(name="undone")
        patch.setattr(connection, "_commit", refuse)


@pytest.mark.parametrize("end", [roll_back, fail, lose_the_connection, fail_to_commit])
def test_whatever_ends_a_transaction_lets_the_next_one_in(end):
    in_thread(end).join()

    assert not base._writing.locked()
    write("next")
    assert [each.name for each in Organization.objects.all()] == ["next"]


def test_a_writer_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(base, "WAIT_SECONDS", 0.01)

    with base._writing, pytest.raises(OperationalError, match="locked"):
        write("late")

    write("in time")
    assert [each.name for each in Organization.objects.all()] == ["in time"]


def test_many_writers_all_get_their_turn():
    threads = [in_thread(lambda number=number: write(f"writer-{number}")) for number in range(16)]  # type: ignore[misc]
    for thread in threads:
        thread.join()

    assert Organization.objects.count() == 16
