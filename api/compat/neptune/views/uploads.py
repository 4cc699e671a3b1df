"""Files: whole ones, large ones in parts, and packages of many small ones. Bodies are streamed to the file storage.

The raw uploads are answered with exactly `{"errors": [...]}`; anything else counts as a broken server for the clients.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpResponse
from rest_framework.request import Request

from api.compat.neptune.answers import json_answer
from api.compat.neptune.body import RANGE_MISMATCH, upload_pieces
from api.compat.neptune.views.base import WireView, container_of, parameter, raw, whole_number
from api.compat.neptune.views.operations import operation_errors
from api.received import ReceiveFirst, is_arriving_upload
from projects.access import Action
from projects.exceptions import Conflict, InvalidInput, TooLarge
from runs.files.archives import member_path_problem
from runs.models import Run
from runs.operations import AddFiles, AssignFile, BatchIdentity, Operation, OperationError
from runs.paths import path_problem
from runs.services.files import max_file_bytes, store_bytes
from runs.services.filesets import store_tar_gz
from runs.services.ingest import apply_operations
from runs.services.uploads import (
    MAX_PART_BYTES,
    RangeMismatch,
    finish_upload,
    open_upload,
    parse_range,
    start_upload,
    write_part,
)

MAX_TAR_BYTES = 1024**3
MAX_EXTENSION_CHARACTERS = 64


class FileUploadView(WireView):
    def post(self, request: Request) -> HttpResponse:
        """A file attribute's bytes in one request."""
        run = _target(request)
        extension = _extension(request)
        path = parameter(request, "attribute")
        if is_arriving_upload(raw(request)):
            return ReceiveFirst()
        file = store_bytes(run, upload_pieces(raw(request), limit=max_file_bytes()))
        return _linked(run, AssignFile(path=path, file=file, extension=extension))


class FileSetUploadView(WireView):
    def post(self, request: Request) -> HttpResponse:
        """One member of a file set in one request."""
        run = _target(request)
        path = parameter(request, "attribute")
        member = _member_path(request)
        if is_arriving_upload(raw(request)):
            return ReceiveFirst()
        file = store_bytes(run, upload_pieces(raw(request), limit=max_file_bytes()))
        return _linked(run, AddFiles(path=path, members={member: file}))


class StartUploadView(WireView):
    is_member = False

    def post(self, request: Request) -> HttpResponse:
        """Begin a file in parts. The id that is answered stands for the extension or member path from now on."""
        run = _target(request)
        path = parameter(request, "attribute")
        if problem := path_problem(path):
            return json_answer({"uploadId": None, **_errors(problem)})
        try:
            upload = start_upload(
                run,
                attribute_path=path,
                extension="" if self.is_member else _extension(request),
                member_path=_member_path(request) if self.is_member else None,
                total_length=whole_number(request, "totalLength", highest=2**62),
            )
        except TooLarge as error:
            return json_answer({"uploadId": None, **_errors(error.message)})
        return json_answer({"uploadId": str(upload.uuid), "errors": []})


class UploadPartView(WireView):
    def post(self, request: Request) -> HttpResponse:
        run = _target(request)
        first_byte, length, total = parse_range(request.META.get("HTTP_X_RANGE", ""))
        number = whole_number(request, "uploadPartIdx", highest=2**31 - 1)
        if is_arriving_upload(raw(request)):
            return ReceiveFirst()
        body = upload_pieces(raw(request), limit=MAX_PART_BYTES)
        write_part(parameter(request, "uploadId"), run, number, first_byte, total, body, length=length)
        return json_answer({"errors": []})


class FinishUploadView(WireView):
    def post(self, request: Request) -> HttpResponse:
        run = _target(request)
        upload = open_upload(parameter(request, "uploadId"), run)
        try:
            file = finish_upload(upload.uuid, run)
        except Conflict as error:
            if "received" not in error.details:
                raise
            raise RangeMismatch(RANGE_MISMATCH) from error
        path = upload.attribute_path
        if upload.member_path is None:
            return _linked(run, AssignFile(path=path, file=file, extension=upload.extension))
        return _linked(run, AddFiles(path=path, members={upload.member_path: file}))


class TarUploadView(WireView):
    def post(self, request: Request) -> HttpResponse:
        """Add the members of an archive to a file set; with `reset` they replace what it held."""
        run = container_of(request, Action.LOG)
        path = parameter(request, "attribute")
        is_reset = request.GET.get("reset", "").lower() == "true"
        try:
            stored = store_tar_gz(run, upload_pieces(raw(request), limit=MAX_TAR_BYTES))
        except InvalidInput as error:
            if isinstance(error, RangeMismatch):
                raise
            return json_answer(_errors(error.message))
        refused = [
            OperationError(0, path, "invalid_member", f"{member.path[:200]} was left out. {member.reason}")
            for member in stored.refused
        ]
        return _linked(run, AddFiles(path=path, members=stored.files, reset=is_reset), refused)


def _linked(run: Run, operation: Operation, errors: Iterable[OperationError] = ()) -> HttpResponse:
    result = apply_operations(run, [operation], identity=BatchIdentity())
    return json_answer({"errors": operation_errors([*errors, *result.errors])})


def _errors(message: str) -> dict[str, object]:
    return {"errors": [{"errorType": "upload", "errorDescription": message}]}


def _target(request: Request) -> Run:
    return container_of(request, Action.LOG, name="experimentIdentifier")


def _extension(request: Request) -> str:
    """The extension, which may be empty; what can't be one is left out, since the bytes matter more."""
    extension = parameter(request, "ext").lstrip(".")
    is_possible = len(extension) <= MAX_EXTENSION_CHARACTERS and extension.isprintable()
    return extension if is_possible and not set(extension) & set("/\\") else ""


def _member_path(request: Request) -> str:
    path = parameter(request, "subPath").removeprefix("./")
    if problem := member_path_problem(path):
        raise InvalidInput(problem, code="invalid_member")
    return path
