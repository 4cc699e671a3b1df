"""Keyset pages: a cursor holds the sort key of the last row given out, so a page costs the same however deep it lies.

Cursors are signed for one kind of list. A cursor that was changed, cut or belongs to another list is refused.
"""

from __future__ import annotations

from typing import Any

from django.core import signing

from projects.exceptions import InvalidInput

MAX_CURSOR_LENGTH = 4096


def encode_cursor(kind: str, position: Any) -> str:
    """An opaque cursor for `position` (plain JSON values) in lists of this kind."""
    return signing.dumps(position, salt=f"api.cursor.{kind}")


def decode_cursor(kind: str, cursor: str) -> Any:
    """The position in a cursor, or None for an empty one. Raises InvalidInput for anything we did not make."""
    if not cursor:
        return None
    try:
        return signing.loads(cursor, salt=f"api.cursor.{kind}")
    except (signing.BadSignature, ValueError) as error:
        raise InvalidInput("The cursor is not one of this list.", code="bad_cursor", field="cursor") from error


def page(results: list[Any], next_cursor: str | None = None, **extra: Any) -> dict[str, Any]:
    """The shape of every list."""
    return {"results": results, "next": next_cursor or None, **extra}
