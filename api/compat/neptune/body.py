"""Reading this wire's bodies: JSON that may be large and not quite JSON, uploads whose clients know one error text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from threading import BoundedSemaphore
from typing import Any

import orjson
from django.http import HttpRequest

from api.body import MalformedBody, iterate_body
from api.received import Body
from projects.exceptions import TooLarge
from runs.services.uploads import RangeMismatch

MAX_JSON_BYTES = 150 * 1024 * 1024
# What is parsed at once, a short body or a slice of a long one, takes many times its size as objects.
MAX_JSON_VALUES = 2_000_000
# The clients' uploads look for this text and then begin the file again: only for a true mismatch.
RANGE_MISMATCH = "Length of stream does not match given range"
_STRUCTURE = (b"{", b"[", b",")
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_one_large_body = BoundedSemaphore(1)


def upload_pieces(request: HttpRequest, *, limit: int) -> Iterator[bytes]:
    """The bytes of an upload. Raises TooLarge, and RangeMismatch when they end before the announced length."""
    try:
        yield from iterate_body(request, limit=limit)
    except MalformedBody as error:
        raise RangeMismatch(RANGE_MISMATCH) from error


def room_for(body: Body) -> AbstractContextManager[object]:
    """Hold this while a body is worked on: long ones wait for each other, so that memory stays bounded. Waiting is
    better than refusing: some clients lose a batch that is refused."""
    return nullcontext() if isinstance(body, bytes) else _one_large_body


def parse_json(body: bytes) -> Any:
    """The JSON value of a body. The literals NaN and Infinity are accepted, as one of the clients sends them.

    Raises MalformedBody with the position for anything that is not JSON or is nested too deeply, TooLarge for more than
    MAX_JSON_VALUES values.
    """
    check_value_count(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _parse_leniently(body)


def _parse_leniently(body: bytes) -> Any:
    """Python's parser: slower, but takes NaN, large integers and escaped lone surrogates."""
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise MalformedBody(f"The body is not valid JSON: {error}.", position=error.pos) from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.", position=0) from None
    except ValueError as error:  # not UTF-8, or an integer of thousands of digits
        raise MalformedBody(f"The body is not valid JSON: {error}"[:300], position=0) from None


def check_value_count(body: bytes) -> None:
    """Raise TooLarge for more than MAX_JSON_VALUES values, before anything is made of them. Commas and brackets are
    counted, those in texts left out where it matters."""
    if len(body) <= MAX_JSON_VALUES or _structure_count(body) <= MAX_JSON_VALUES:
        return
    count = _structure_count(_STRINGS.sub(b"", body))
    if count > MAX_JSON_VALUES:
        raise TooLarge(
            f"The body holds {count} values; the limit is {MAX_JSON_VALUES}.", limit=MAX_JSON_VALUES, got=count
        )


def _structure_count(body: bytes) -> int:
    return sum(body.count(character) for character in _STRUCTURE)
