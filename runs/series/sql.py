"""Conditions of statements written by hand (projects/rows.py)."""

from __future__ import annotations

import json
import uuid as uuids
from collections.abc import Collection
from typing import Any

from django.db import connection


def among(column: str, ids: Collection[int]) -> tuple[str, Any]:
    """A condition that the column is one of any number of ids, and its parameter."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::bigint[])", list(ids)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(ids))  # noqa: S608 - own names


def among_uuids(column: str, wanted: Collection[uuids.UUID]) -> tuple[str, Any]:
    """A condition that the column is one of any number of UUIDs, and its parameter."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::uuid[])", list(wanted)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps([each.hex for each in wanted])  # noqa: S608


def among_texts(column: str, texts: Collection[str]) -> tuple[str, Any]:
    """A condition that the column is one of any number of texts, and its parameter."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::text[])", list(texts)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(texts))  # noqa: S608 - own names
