"""The bytes of stored files, on their way to a browser or a script.

What people uploaded is data and never part of our site: the type sent is from our own short list whatever the uploader
said, browsers may not guess another one, and the answer's policy forbids it everything, so that even HTML opened by
itself runs no script and has no cookies. HTML is shown at all only as a `preview`, meant for a sandboxed frame.
"""

from __future__ import annotations

import re
import uuid as uuids
from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from api.limits import INT64_MAX
from api.views import ApiView
from api.wire import Input
from projects.access import Action
from projects.exceptions import DomainError, NotFound
from runs.access import access_file
from runs.files.media_types import with_extension
from runs.models import StoredFile
from runs.selectors.downloads import download_name, find_thumbnail
from runs.services.files import read_range
from runs.services.previews import read_thumbnail

USER_CONTENT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
_TEXTS = frozenset({"text/plain", "text/csv", "text/markdown", "text/tab-separated-values", "application/json"})
_KNOWN_ATTACHMENTS = frozenset({"application/pdf", "application/zip", "application/gzip", "image/tiff"})
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class ContentQuery(Input):
    entry = serializers.IntegerField(
        min_value=1, max_value=INT64_MAX, required=False, help_text="The link whose name the download gets."
    )
    download = serializers.BooleanField(default=False, help_text="Always as an attachment.")
    preview = serializers.BooleanField(default=False, help_text="HTML for a sandboxed frame, without scripts.")


class RangeNotSatisfiable(DomainError):
    code = "range_not_satisfiable"
    status = 416


_BYTES = {(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY)}


class FileContent(ApiView):
    is_public_readable = True

    @extend_schema(summary="Download a file", parameters=[ContentQuery], responses=_BYTES)
    def get(self, request: Request, uuid: uuids.UUID) -> HttpResponseBase:
        file = access_file(self.actor, uuid, Action.VIEW)
        query = self.query(ContentQuery)
        name = _UNPRINTABLE.sub("_", download_name(file, query.get("entry"))) or "file"
        media_type = with_extension(file.media_type, name.rpartition(".")[2])
        content_type, is_inline = _presentation(media_type, is_preview=query["preview"])
        response = _partial(request, file)
        response.headers["Content-Type"] = content_type
        disposition = content_disposition_header(query["download"] or not is_inline, name)
        response.headers["Content-Disposition"] = disposition or "attachment"
        return as_user_content(response)


class FileThumbnail(ApiView):
    is_public_readable = True

    @extend_schema(summary="A small version of an image", responses={(200, "image/webp"): OpenApiTypes.BINARY})
    def get(self, request: Request, uuid: uuids.UUID, size: int) -> HttpResponseBase:
        file = access_file(self.actor, uuid, Action.VIEW)
        thumbnail = find_thumbnail(file, size)
        if thumbnail is None:
            raise NotFound("There is no small version of this file (yet).")
        tag = f'"{file.sha256}-{size}"'
        if request.META.get("HTTP_IF_NONE_MATCH") == tag:
            return as_user_content(HttpResponse(status=304, headers={"ETag": tag}))
        response = StreamingHttpResponse(read_thumbnail(thumbnail), content_type="image/webp")
        response.headers["ETag"] = tag
        return as_user_content(response)


def as_user_content(response: HttpResponseBase) -> HttpResponseBase:
    """Add what keeps uploaded bytes from being more than data. They are cached, but asked for again before each use,
    so that they are gone for whoever lost the right to see them."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = USER_CONTENT_POLICY
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _presentation(media_type: str, *, is_preview: bool) -> tuple[str, bool]:
    """The Content-Type to send and whether a browser may show it in place."""
    if media_type in _IMAGES:
        return media_type, True
    if media_type in _TEXTS:
        return "text/plain; charset=utf-8", True
    if media_type == "text/html":
        return ("text/html; charset=utf-8", True) if is_preview else ("application/octet-stream", False)
    return media_type if media_type in _KNOWN_ATTACHMENTS else "application/octet-stream", False


def _partial(request: Request, file: StoredFile) -> HttpResponseBase:
    """The whole file, the part asked for by Range, or 304 when the caller has it."""
    tag = f'"{file.sha256}"'
    headers: dict[str, Any] = {"ETag": tag, "Accept-Ranges": "bytes"}
    if request.META.get("HTTP_IF_NONE_MATCH") == tag:
        return HttpResponse(status=304, headers=headers)
    first, length = 0, file.size
    wanted = _wanted_range(request, tag, file.size)
    if wanted is not None:
        first, length = wanted
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{file.size}"
    pieces = iter(()) if request.method == "HEAD" else read_range(file, first, length)
    return _streamed(pieces, 206 if wanted is not None else 200, {**headers, "Content-Length": str(length)})


def _streamed(pieces: Iterator[bytes], status: int, headers: dict[str, Any]) -> StreamingHttpResponse:
    return StreamingHttpResponse(pieces, status=status, headers=headers)


def _wanted_range(request: Request, tag: str, size: int) -> tuple[int, int] | None:
    """(first byte, length) of a single range; None for the whole file. Raises RangeNotSatisfiable outside the file."""
    header = request.META.get("HTTP_RANGE", "").strip()
    match = _RANGE.fullmatch(header)
    if match is None or match.group(0) == "bytes=-" or request.META.get("HTTP_IF_RANGE", tag) != tag:
        return None
    start, end = match.groups()
    if not start:
        first, last = max(0, size - int(end)), size - 1
    else:
        first, last = int(start), min(int(end), size - 1) if end else size - 1
    if start and end and int(end) < int(start):
        return None
    if first >= size or last < first:
        raise RangeNotSatisfiable(f"The file has {size} bytes.", size=size)
    return first, last - first + 1
