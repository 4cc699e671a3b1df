import contextlib
import gzip
import io
import json
from typing import Any

import orjson
import pytest
import zstandard
from django.core.handlers.wsgi import WSGIRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.body import LengthRequired, MalformedBody, UnsupportedMediaType, parse_json, read_body, read_json
from api.limits import JSON_DEPTH
from projects.exceptions import TooLarge

LIMIT = 10_000


def request_with(body: bytes, *, length: int | str | None = None, **environ) -> WSGIRequest:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_TYPE": "application/json",
        **environ,
    }
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    elif "HTTP_TRANSFER_ENCODING" not in environ:
        environ["CONTENT_LENGTH"] = str(len(body))
    return WSGIRequest(environ)


def test_a_body_is_read_whole():
    assert read_body(request_with(b"x" * LIMIT), limit=LIMIT) == b"x" * LIMIT


@pytest.mark.parametrize("got", [LIMIT + 1, 10**15])
def test_a_body_announced_as_too_large_is_refused_before_a_byte_is_read(got):
    request = request_with(b"x" * 100, length=got)
    with pytest.raises(TooLarge) as caught:
        read_body(request, limit=LIMIT)
    assert caught.value.details == {"limit": LIMIT, "got": got}
    assert request.environ["wsgi.input"].tell() == 0


def test_a_body_without_a_length_is_read_to_its_end():
    chunked: dict[str, Any] = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert read_json(request_with(b'{"a": 1}', **chunked)) == {"a": 1}
    with pytest.raises(TooLarge):
        read_body(request_with(b"x" * (LIMIT + 1), **chunked), limit=LIMIT)


def test_a_body_without_a_length_is_refused_where_its_end_can_not_be_known():
    with pytest.raises(LengthRequired):
        read_body(request_with(b"x", HTTP_TRANSFER_ENCODING="chunked"), limit=LIMIT)


def test_a_body_cut_short_is_refused_with_the_position():
    with pytest.raises(MalformedBody) as caught:
        read_body(request_with(b'{"a": 1', length=8), limit=LIMIT)
    assert caught.value.details["position"] == 7


@pytest.mark.parametrize("length", ["-1", "1.5", "x", "٣", "9" * 30])
def test_a_length_that_is_no_number_is_refused(length):
    with pytest.raises(MalformedBody):
        read_body(request_with(b"x", length=length), limit=LIMIT)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
class TestCompressed:
    @staticmethod
    def encoding(compress) -> str:
        return "gzip" if compress is gzip.compress else "zstd"

    def test_a_compressed_body_is_read(self, compress):
        body = b"".join(b"%d," % number for number in range(1000))
        request = request_with(compress(body), HTTP_CONTENT_ENCODING=self.encoding(compress))
        assert read_body(request, limit=len(body)) == body

    def test_the_limit_holds_for_what_it_unfolds_to(self, compress):
        request = request_with(compress(b"x" * (LIMIT + 1)), HTTP_CONTENT_ENCODING=self.encoding(compress))
        with pytest.raises(TooLarge):
            read_body(request, limit=LIMIT)

    def test_a_bomb_is_refused_by_its_growth(self, compress):
        bomb = compress(b"\0" * 30_000_000)
        with pytest.raises(TooLarge) as caught:
            read_body(request_with(bomb, HTTP_CONTENT_ENCODING=self.encoding(compress)), limit=10**9)
        assert caught.value.details["limit"] == 200

    @pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: b"xx" + data, lambda data: data + b"tail"])
    def test_damaged_data_is_refused(self, compress, damage):
        request = request_with(damage(compress(b"x" * 1000)), HTTP_CONTENT_ENCODING=self.encoding(compress))
        with pytest.raises(MalformedBody):
            read_body(request, limit=LIMIT)


def test_an_unknown_encoding_and_an_unknown_type_are_refused():
    with pytest.raises(UnsupportedMediaType):
        read_body(request_with(b"x", HTTP_CONTENT_ENCODING="br"), limit=LIMIT)
    with pytest.raises(UnsupportedMediaType):
        read_json(request_with(b"a=1", CONTENT_TYPE="application/x-www-form-urlencoded"))


def test_an_empty_body_is_an_empty_object():
    assert read_json(request_with(b"")) == {}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a": 1,}',
        b"NaN",
        b"[Infinity]",
        b"\xff\xfe",
        b'"\\ud800"',
        b'{"a": "\xed\xa0\x80"}',
        b'["\\u0000"]',
        b'{"\\u0000": 1}',
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
        b'[{"b": {"a:": 1, "a\\u003a": 2}}]',
        b'{"a": "\\u003a", "b": 1, "b": 2}',
        b"9223372036854775808",
        b"[1, 9223372036854775808]",
        b"[" * (JSON_DEPTH + 1) + b"]" * (JSON_DEPTH + 1),
        b'{"a":' * (JSON_DEPTH + 1) + b"1" + b"}" * (JSON_DEPTH + 1),
        b"[" * 100_000,
    ],
)
def test_json_that_would_break_later_is_refused_with_a_position(text):
    with pytest.raises(MalformedBody) as caught:
        parse_json(text)
    assert isinstance(caught.value.details["position"], int)


@pytest.mark.parametrize(
    "value",
    [
        {"a": "x:y", "b:": ["12:30:00", {"c": "::"}]},
        ["\\u0000", "\\u003a", "\\"],
        {"url": "http://example.org:80/?a=b:c"},
        [2**63 - 1, -(2**63), 0.1, None, True],
    ],
)
def test_json_that_only_looks_suspicious_is_read(value):
    assert parse_json(json.dumps(value).encode()) == value


def test_json_as_deep_as_the_limit_is_read():
    parse_json(b"[" * JSON_DEPTH + b"]" * JSON_DEPTH)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(JSON, st.booleans())
def test_all_other_json_is_read_as_it_is(value, is_escaped):
    assert parse_json(json.dumps(value, ensure_ascii=is_escaped).encode()) == value


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise(raw):
    with contextlib.suppress(MalformedBody):
        assert parse_json(raw) == orjson.loads(raw)
