"""Giving bytes back: files, file sets as a listing and as one zip, images of series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.request import Request

from api.compat.neptune.answers import json_answer
from api.compat.neptune.views.base import WireView, actor_of, container_by_identifier, parameter, whole_number
from api.compat.neptune.views.values import attribute_of
from api.compat.neptune.wire.values import to_time
from projects.access import Action
from projects.exceptions import NotFound
from runs.models import AttributeKind, StoredFile
from runs.selectors.files import DirectoryEntry, file_entry, list_directory, series_entries, zip_of_set
from runs.services.files import read_range

ZIP_PATH = "/api/leaderboard/v1/attributes/downloadFileSetZip"
_SALT = "api.compat.neptune.downloads"


class FileView(WireView):
    def get(self, request: Request) -> StreamingHttpResponse:
        run, view = attribute_of(request, AttributeKind.FILE)
        entry = file_entry(run, view.path)
        return _file(entry.file, "application/octet-stream", entry.name)


class ImageView(WireView):
    def get(self, request: Request) -> StreamingHttpResponse:
        """One image of a series by its place; the clients make the file's extension from the content type."""
        run, view = attribute_of(request, AttributeKind.FILE_SERIES)
        points = series_entries(run, view.path, offset=whole_number(request, "index", highest=2**31), limit=1)
        if not points:
            raise NotFound("The series has no image at that place.")
        media_type = points[0].file.media_type or "application/octet-stream"
        return _file(points[0].file, media_type, f"image.{media_type.rsplit('/', 1)[-1]}")


class FileSetListView(WireView):
    def get(self, request: Request) -> HttpResponse:
        """What lies directly below a path of a file set, with names relative to it."""
        run, view = attribute_of(request, AttributeKind.FILE_SET)
        folder = parameter(request, "path").removeprefix(".").replace("\x00", "")
        return json_answer([_listed(entry) for entry in list_directory(run, view.path, folder)])


class PrepareZipView(WireView):
    def post(self, request: Request) -> HttpResponse:
        """The clients ask for an archive to be made, then poll until there is an address. Ours is made while it is
        sent, so the id only says what was asked for; opening the address is authorised anew."""
        run, view = attribute_of(request, AttributeKind.FILE_SET)
        return json_answer({"id": signing.dumps([str(run.uuid), view.path], salt=_SALT), "downloadUrl": None})


class ZipRequestView(WireView):
    def get(self, request: Request) -> HttpResponse:
        ticket = parameter(request, "id")
        try:
            uuid, path = signing.loads(ticket, salt=_SALT)
        except signing.BadSignature:
            raise NotFound("There is no such download.") from None
        run = container_by_identifier(actor_of(request), uuid, Action.VIEW)
        query = urlencode({"experimentId": str(run.uuid), "attribute": path})
        return json_answer({"id": ticket, "downloadUrl": f"{settings.BASE_URL}{ZIP_PATH}?{query}"})


class ZipView(WireView):
    def get(self, request: Request) -> StreamingHttpResponse:
        run, view = attribute_of(request, AttributeKind.FILE_SET)
        return _attachment(zip_of_set(run, view.path), "application/zip", f"{view.path.rsplit('/', 1)[-1]}.zip")


def _file(file: StoredFile, media_type: str, name: str) -> StreamingHttpResponse:
    answer = _attachment(read_range(file), media_type, name)
    answer["Content-Length"] = str(file.size)
    return answer


def _attachment(content: Iterator[bytes], media_type: str, name: str) -> StreamingHttpResponse:
    """The clients take all that follows the last `filename=`, so the plain form stands alone and at the end."""
    plain = "".join(
        character if character.isascii() and character.isprintable() and character not in '"\\/;' else "_"
        for character in name.rsplit("/", 1)[-1]
    )
    answer = StreamingHttpResponse(content, content_type=media_type)
    answer["Content-Disposition"] = f'attachment; filename="{plain or "file"}"'
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer["Cache-Control"] = "private, no-store"
    return answer


def _listed(entry: DirectoryEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "size": entry.size,
        "mtime": to_time(entry.modified_at),
        "fileType": "directory" if entry.is_directory else "file",
    }
