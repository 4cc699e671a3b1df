"""Reading request bodies: the one place that does it, with every limit enforced before memory is spent.

A body may come compressed (`Content-Encoding: gzip` or `zstd`) and without a length (chunked). A limit holds for the
bytes after decompression, and a compressed body may not grow more than DECOMPRESSION_RATIO times. A body that ends
before the length it announced is refused, never half used.

JSON is stricter here than in Python: no repeated keys, no NaN literals, no zero characters or lone surrogates, integers
within 64 bit, nesting at most JSON_DEPTH deep.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import orjson
import zstandard
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from api.limits import (
    DECOMPRESSION_RATIO,
    INT64_MAX,
    INT64_MIN,
    JSON_BODY,
    JSON_DEPTH,
    MIB,
    UNGUARDED_OUTPUT,
)
from projects.exceptions import InvalidInput, TooLarge

_PIECE = 64 * 1024
_NUMBERS = {float, int, bool, type(None)}


class MalformedBody(InvalidInput):
    """The body can't be understood at all; `position` is the byte where that showed."""

    code = "malformed_body"


class LengthRequired(InvalidInput):
    code = "length_required"
    status = 411


class UnsupportedMediaType(InvalidInput):
    code = "unsupported_media_type"
    status = 415


def read_body(request: HttpRequest, *, limit: int) -> bytes:
    """The whole body, decompressed. Raises TooLarge over `limit` bytes, MalformedBody when it was cut short."""
    return b"".join(iterate_body(request, limit=limit))


def iterate_body(request: HttpRequest, *, limit: int) -> Iterator[bytes]:
    """The body in pieces, decompressed, for uploads that must not stand in memory. Errors as for read_body."""
    announced = announced_length(request)
    if announced is not None and announced > limit:
        raise too_large(limit, announced)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    pieces = _received(request, announced, limit)
    if encoding in {"", "identity"}:
        return pieces
    if encoding not in _DECOMPRESSORS:
        raise UnsupportedMediaType(f"Content-Encoding '{encoding[:40]}' is not supported; use gzip, zstd or none.")
    return _decompressed(pieces, _DECOMPRESSORS[encoding](), limit)


def announced_length(request: HttpRequest) -> int | None:
    """What Content-Length says; None for a chunked body. Raises LengthRequired when the server can't read those."""
    text = str(request.META.get("CONTENT_LENGTH") or "").strip()
    if text:
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise MalformedBody("Content-Length must be a whole number.", position=0)
        return int(text)
    if "chunked" not in request.headers.get("Transfer-Encoding", "").lower():
        return 0
    if not _knows_its_end(request):
        raise LengthRequired("Send a Content-Length; this server can't read a body without one.")
    return None


def too_large(limit: int, got: int) -> TooLarge:
    return TooLarge(f"The body may have {limit} bytes; got {got}.", limit=limit, got=got)


def read_json(request: HttpRequest, *, limit: int = JSON_BODY) -> Any:
    """The body as JSON; an empty one is an empty object. Raises MalformedBody, TooLarge or UnsupportedMediaType."""
    raw = read_json_bytes(request, limit=limit)
    return parse_json(raw) if raw else {}


def read_json_bytes(request: HttpRequest, *, limit: int) -> bytes:
    """The body of a request that says it is JSON, as it is. Raises UnsupportedMediaType and what read_body raises."""
    content_type = request.content_type or ""
    if content_type and content_type != "application/json" and not content_type.endswith("+json"):
        raise UnsupportedMediaType(f"Send the body as application/json, not {content_type[:100]}.")
    return read_body(request, limit=limit)


def holds_only(raw: bytes, keys: int, strings: Iterable[str]) -> bool:
    """Whether a JSON text that some decoder took has no more keys than these, so that none is repeated, and no zero
    characters: then `parse_json` takes it too, integers aside. False also for a few texts where that would be so."""
    return raw.count(b":") == keys + "".join(strings).count(":") and not _needs_second_look(raw)


def parse_json(raw: bytes) -> Any:
    """JSON by the rules above. Raises MalformedBody with the position of the fault."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"The body is not valid JSON: {error}.", position=error.pos) from error
    colons = _inspect(document, 1)
    # Every colon outside a string follows a key, so a larger count in the text means that a key was repeated. An
    # escaped colon would spoil the count, and an escaped zero character passes the parser: then it is read twice.
    if raw.count(b":") != colons or _needs_second_look(raw):
        _read_strictly(raw)
    return document


def _needs_second_look(raw: bytes) -> bool:
    return b"\\u003" in raw or b"\\u0000" in raw


def _inspect(value: Any, depth: int) -> int:
    """Check depth and integers; returns how many colons the text of `value` has when no key is repeated."""
    if isinstance(value, str):
        return value.count(":")
    if isinstance(value, dict):
        _check_depth(depth)
        keys: dict[str, Any] = value
        return sum(1 + key.count(":") + _inspect(item, depth + 1) for key, item in keys.items())
    if isinstance(value, list):
        _check_depth(depth)
        if set(map(type, value)) <= _NUMBERS:  # a column of points, often long
            _check_integers([item for item in value if type(item) is int])
            return 0
        return sum(_inspect(item, depth + 1) for item in value)
    if type(value) is int:
        _check_integers([value])
    return 0


def _check_integers(numbers: list[int]) -> None:
    if numbers and (min(numbers) < INT64_MIN or max(numbers) > INT64_MAX):
        raise MalformedBody("The body holds a whole number that does not fit 64 bits.", position=0)


def _check_depth(depth: int) -> None:
    if depth > JSON_DEPTH:
        raise MalformedBody(f"The body is nested more than {JSON_DEPTH} levels deep.", position=0, limit=JSON_DEPTH)


def _read_strictly(raw: bytes) -> None:
    """Read the text again with the slow parser, which shows every pair of an object."""
    json.loads(raw, object_pairs_hook=_checked_object, parse_int=lambda _: 0)
    if b"\\u0000" in raw and _holds_zero(orjson.loads(raw)):
        raise MalformedBody("The body holds a zero character.", position=raw.index(b"\\u0000"))


def _checked_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise MalformedBody(f"The key '{repeated[:100]}' is repeated in one object.", position=0)
    return document


def _holds_zero(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _holds_zero(item) for key, item in value.items())
    return isinstance(value, list) and any(_holds_zero(item) for item in value)


# --- bytes ---
class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _knows_its_end(request: HttpRequest) -> bool:
    """Whether reading a body without a length ends by itself. Without that it would wait for ever."""
    environ = getattr(request, "environ", None)
    return environ is None or bool(environ.get("wsgi.input_terminated")) or "asgi.scope" in environ


def _stream(request: HttpRequest, announced: int | None) -> _Readable:
    environ = getattr(request, "environ", None)
    if announced is None and environ is not None:
        stream: _Readable = environ["wsgi.input"]  # Django takes a missing length for an empty body
        return stream
    return request


def _received(request: HttpRequest, announced: int | None, limit: int) -> Iterator[bytes]:
    stream = _stream(request, announced)
    got = 0
    while announced is None or got < announced:
        size = _PIECE if announced is None else min(_PIECE, announced - got)
        try:
            piece = stream.read(size)
        except (UnreadablePostError, OSError) as error:
            raise MalformedBody("The connection broke before the body was complete.", position=got) from error
        if not piece:
            break
        got += len(piece)
        if got > limit:
            raise too_large(limit, got)
        yield bytes(piece)
    if announced is not None and got < announced:
        raise MalformedBody(f"The body ends after {got} of {announced} announced bytes.", position=got)


# --- compression ---
class _Decompressor(Protocol):
    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What a piece of the body unfolds to, a bounded amount at a time."""

    def is_complete(self) -> bool: ...


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        while piece and not self._inner.eof:
            yield self._inner.decompress(piece, _PIECE)
            piece = self._inner.unconsumed_tail
        if piece or self._inner.unused_data:
            raise MalformedBody("There is something behind the end of the gzip data.", position=0)

    def is_complete(self) -> bool:
        return self._inner.eof


class _Zstd:
    # One block of 4 bytes may stand for 128 KiB, and this decoder does not bound its output: the slices do.
    _SLICE = 128

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=8 * MIB).decompressobj()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        for start in range(0, len(piece), self._SLICE):
            part = piece[start : start + self._SLICE]
            if not self._inner.eof:
                yield self._inner.decompress(part)
                part = self._inner.unused_data
            if part:
                raise MalformedBody("There is something behind the end of the zstd data.", position=start)

    def is_complete(self) -> bool:
        return bool(self._inner.eof)


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {"gzip": _Gzip, "x-gzip": _Gzip, "zstd": _Zstd}


def _decompressed(pieces: Iterator[bytes], decompressor: _Decompressor, limit: int) -> Iterator[bytes]:
    taken = given = 0
    try:
        for piece in pieces:
            taken += len(piece)
            for output in decompressor.feed(piece):
                given += len(output)
                _check_growth(taken, given, limit)
                yield output
    except (zlib.error, zstandard.ZstdError) as error:
        raise MalformedBody("The compressed body is damaged.", position=taken) from error
    if taken and not decompressor.is_complete():
        raise MalformedBody(f"The compressed body ends after {taken} bytes, before its end.", position=taken)


def _check_growth(taken: int, given: int, limit: int) -> None:
    if given > limit:
        raise too_large(limit, given)
    if given > UNGUARDED_OUTPUT and given > taken * DECOMPRESSION_RATIO:
        raise TooLarge(
            f"The compressed body grows more than {DECOMPRESSION_RATIO} times.",
            limit=DECOMPRESSION_RATIO,
            got=given // taken,
        )
