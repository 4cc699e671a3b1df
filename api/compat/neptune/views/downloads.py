"""Giving bytes back: files, file sets as a listing and as one zip, images of series."""

from __future__ import annotations

import uuid as uuids
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
from api.compat.neptune.zip import zip_pieces
from projects.access import Action
from projects.exceptions import NotFound
from runs.models import AttributeKind, FileEntry, FileSeriesEntry, StoredFile
from runs.services.files import read_range

ZIP_PATH = "/api/leaderboard/v1/attributes/downloadFileSetZip"
_SALT = "api.compat.neptune.downloads"


class FileView(WireView):
    def get(self, request: Request) -> StreamingHttpResponse:
        run, view = attribute_of(request, AttributeKind.FILE)
        entry = FileEntry.objects.select_related("file").filter(run=run, definition_id=view.definition_id).first()
        if entry is None:
            raise NotFound("The file attribute holds no file.")
        return _bytes(entry.file, "application/octet-stream", entry.name)


class ImageView(WireView):
    def get(self, request: Request) -> StreamingHttpResponse:
        """One image of a series by its place; the clients make the file's extension from the content type."""
        run, view = attribute_of(request, AttributeKind.FILE_SERIES)
        index = whole_number(request, "index", highest=2**31)
        points = FileSeriesEntry.objects.select_related("file").filter(run=run, definition_id=view.definition_id)
        point = points.order_by("step")[index : index + 1].first()
        if point is None:
            raise NotFound("The series has no image at that place.")
        media_type = point.file.media_type or "application/octet-stream"
        return _bytes(point.file, media_type, f"{index}.{media_type.rsplit('/', 1)[-1]}")


class FileSetListView(WireView):
    def get(self, request: Request) -> HttpResponse:
        """What lies directly below a path of a file set, with names relative to it."""
        run, view = attribute_of(request, AttributeKind.FILE_SET)
        folder = parameter(request, "path").strip("/")
        prefix = f"{folder}/" if folder not in {"", "."} else ""
        entries = FileEntry.objects.select_related("file").filter(run=run, definition_id=view.definition_id)
        return json_answer(_level(entries.order_by("path"), prefix))


class PrepareZipView(WireView):
    def post(self, request: Request) -> HttpResponse:
        """The clients ask for an archive to be made, then poll until there is an address. Ours is made while it is
        sent, so the id only says what was asked for; opening the address is authorised anew."""
        run, view = attribute_of(request, AttributeKind.FILE_SET)
        ticket = signing.dumps([str(run.uuid), view.path], salt=_SALT)
        return json_answer({"id": ticket, "downloadUrl": None})


class ZipRequestView(WireView):
    def get(self, request: Request) -> HttpResponse:
        ticket = parameter(request, "id")
        try:
            uuid, path = signing.loads(ticket, salt=_SALT)
        except signing.BadSignature:
            raise NotFound("There is no such download.") from None
        run = container_by_identifier(actor_of(request), str(uuids.UUID(uuid)), Action.VIEW)
        query = urlencode({"experimentId": str(run.uuid), "attribute": path})
        return json_answer({"id": ticket, "downloadUrl": f"{settings.BASE_URL}{ZIP_PATH}?{query}"})


class ZipView(WireView):
    def get(self, request: Request) -> StreamingHttpResponse:
        run, view = attribute_of(request, AttributeKind.FILE_SET)
        entries = FileEntry.objects.select_related("file").filter(run=run, definition_id=view.definition_id)
        answer = StreamingHttpResponse(
            zip_pieces(entries.order_by("path").iterator(chunk_size=500)), content_type="application/zip"
        )
        return _as_attachment(answer, f"{view.path.rsplit('/', 1)[-1]}.zip")


def _bytes(file: StoredFile, media_type: str, name: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(read_range(file), content_type=media_type)
    answer["Content-Length"] = str(file.size)
    return _as_attachment(answer, name)


def _as_attachment(answer: StreamingHttpResponse, name: str) -> StreamingHttpResponse:
    """The clients take all that follows the last `filename=`, so the plain form stands alone and at the end."""
    plain = "".join(
        character if character.isascii() and character.isprintable() and character not in '"\\/;' else "_"
        for character in name.rsplit("/", 1)[-1]
    )
    answer["Content-Disposition"] = f'attachment; filename="{plain or "file"}"'
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer["Cache-Control"] = "private, no-store"
    return answer


def _level(entries: Any, prefix: str) -> list[dict[str, Any]]:
    level: dict[str, dict[str, Any]] = {}
    for entry in entries.iterator(chunk_size=500):
        if not entry.path.startswith(prefix):
            continue
        name, separator, _ = entry.path[len(prefix) :].partition("/")
        item = level.setdefault(name, {"name": name, "size": 0, "mtime": "", "fileType": "file"})
        item["fileType"] = "directory" if separator else "file"
        item["size"] += entry.file.size
        item["mtime"] = max(item["mtime"], to_time(entry.created_at))
    return list(level.values())
