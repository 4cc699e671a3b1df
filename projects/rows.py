"""Rows past the ORM, for the questions that every request asks and for the hot paths of points.

To put a statement together through the ORM takes longer than PostgreSQL takes to answer it, and again as long to read
text. Here statements are fixed texts, which PostgreSQL prepares, and values come in its binary format. Errors are
Django's, as with any of its cursors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model
from django.db.models.base import ModelState

AnyModel = TypeVar("AnyModel", bound=Model)
_Convert = Callable[[Any], Any]


def fetch(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """All rows of a statement with %s for its parameters. Bytes are `bytes` on both databases."""
    with open_cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def execute(statement: str, parameters: Sequence[Any]) -> int:
    """Do a statement with %s for its parameters; how many rows it changed."""
    with open_cursor() as cursor:
        cursor.execute(statement, parameters)
        changed: int = cursor.rowcount
    return changed


@cache
def is_postgresql() -> bool:
    """Whether the database is PostgreSQL, without looking at a connection: on the event loop, where each request would
    get one of its own, that is dear."""
    return "postgresql" in str(connections.settings[DEFAULT_DB_ALIAS]["ENGINE"])


def open_cursor() -> Any:
    """A cursor of which PostgreSQL gets and gives values in binary form; wrapped as Django wraps its own."""
    if connection.vendor != "postgresql":
        return connection.cursor()
    import psycopg  # only there where PostgreSQL is used

    connection.ensure_connection()
    allow_prepared(connection.connection)
    with connection.wrap_database_errors:
        cursor = psycopg.Cursor(connection.connection)
    cursor.format = psycopg.pq.Format.BINARY
    return connection._prepare_cursor(cursor)  # type: ignore[attr-defined]


def allow_prepared(raw: Any) -> None:
    """Let PostgreSQL keep the plans of statements that come again. Django's cursors never ask for it; behind a pooler
    of transactions nothing may."""
    if raw.prepare_threshold is None and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        raw.prepare_threshold = 1


class ModelRows(Generic[AnyModel]):
    """The columns of a model as a statement selects them from `alias`, and the instances that their values make.

    With `names`, only these attributes are loaded; the others are read when they are asked for.
    """

    def __init__(self, model: type[AnyModel], alias: str, names: Sequence[str] = ()) -> None:
        self._model = model
        self.table = model._meta.db_table
        self._fields = [each for each in model._meta.concrete_fields if not names or each.attname in names]
        self._names = [each.attname for each in self._fields]
        self._converters: dict[str, list[tuple[int, _Convert]]] = {}
        self.columns = ", ".join(f'{alias}."{each.column}"' for each in self._fields)
        self.width = len(self._fields)

    def make(self, values: Sequence[Any]) -> AnyModel:
        """The instance with these values of `columns`."""
        converters = self._converters.get(connection.vendor)
        if converters is None:
            converters = self._converters[connection.vendor] = self._find_converters()
        if converters:
            changed = list(values)
            for place, convert in converters:
                changed[place] = convert(changed[place])
            values = changed
        # As Model.from_db does it, without the signals and the loop over fields that take most of its time.
        instance = self._model.__new__(self._model)
        instance.__dict__.update(zip(self._names, values, strict=True))
        instance._state = state = ModelState()
        state.adding, state.db = False, DEFAULT_DB_ALIAS
        return instance

    def _find_converters(self) -> list[tuple[int, _Convert]]:
        """What Django does to values of this database: SQLite has no types for moments and identifiers."""
        return [
            (place, _converter(each, field.cached_col))
            for place, field in enumerate(self._fields)
            for each in (
                *connection.ops.get_db_converters(field.cached_col),
                *field.cached_col.get_db_converters(connection),
            )
        ]


def _converter(convert: Callable[..., Any], expression: Any) -> _Convert:
    return lambda value: convert(value, expression, connection)


def uuid_parameter(value: Any) -> Any:
    """A UUID as the database compares it."""
    return value if connection.vendor == "postgresql" else value.hex
