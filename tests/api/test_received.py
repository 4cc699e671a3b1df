"""Bodies that are worked on at once: short ones in memory, long ones in a file."""

import gzip
import io
import mmap

import pytest
from django.core.handlers.wsgi import WSGIRequest

from api.received import (
    CAN_RECEIVE_FIRST,
    IN_MEMORY,
    IS_WHOLE,
    UPLOAD_RECEIVED_FIRST,
    is_arriving,
    is_arriving_upload,
    received_body,
)
from projects.exceptions import TooLarge

LIMIT = 3 * IN_MEMORY


def request_with(body: bytes, *, length: int | None = None, source=None, **environ) -> WSGIRequest:
    return WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "wsgi.input": source or io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body) if length is None else length),
            **environ,
        }
    )


@pytest.mark.parametrize("size", [0, 10, IN_MEMORY, IN_MEMORY + 1, LIMIT])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_body_is_whole_whatever_its_size(size, is_compressed):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    sent = gzip.compress(body, 1) if is_compressed else body
    request = request_with(sent, HTTP_CONTENT_ENCODING="gzip" if is_compressed else "identity")

    with received_body(request, limit=LIMIT) as found:
        assert isinstance(found, mmap.mmap) == (size > IN_MEMORY)
        assert found[:] == body


def test_a_body_over_the_limit_is_refused_while_it_is_put_into_a_file():
    sent = gzip.compress(b"\x00\xff" * LIMIT, 1)

    with pytest.raises(TooLarge), received_body(request_with(sent, HTTP_CONTENT_ENCODING="gzip"), limit=LIMIT):
        pass


def test_a_body_that_a_server_has_put_into_a_file_is_not_copied(tmp_path, settings):
    file = tmp_path / "body"
    file.write_bytes(b"x" * (IN_MEMORY + 5))
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "nowhere")

    with file.open("rb") as source:
        request = request_with(b"", length=IN_MEMORY + 5, source=source, **{IS_WHOLE: True})
        with received_body(request, limit=LIMIT) as found:
            assert len(found) == IN_MEMORY + 5


def test_a_server_that_can_is_asked_to_receive_first_what_is_within_the_limit():
    arriving = {CAN_RECEIVE_FIRST: True}

    assert is_arriving(request_with(b"x", **arriving), limit=10)
    assert not is_arriving(request_with(b"x"), limit=10)
    with pytest.raises(TooLarge):
        is_arriving(request_with(b"x", length=11, **arriving), limit=10)


def test_only_short_uploads_are_received_first():
    arriving = {CAN_RECEIVE_FIRST: True}

    assert is_arriving_upload(request_with(b"", length=UPLOAD_RECEIVED_FIRST, **arriving))
    assert not is_arriving_upload(request_with(b"", length=UPLOAD_RECEIVED_FIRST + 1, **arriving))
