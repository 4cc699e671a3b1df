"""executeOperations: everything that is logged, except files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from api.body import MalformedBody, read_body
from api.compat.neptune.answers import json_answer
from api.compat.neptune.body import MAX_JSON_BYTES, parse_json, room_for
from api.compat.neptune.images import ImageShelf
from api.compat.neptune.views.base import WireView, container_of, raw
from api.compat.neptune.wire.operations import read_batch
from api.compat.neptune.wire.values import BadValue
from projects.access import Action
from runs.models import Run
from runs.operations import BatchIdentity, OperationError
from runs.services.ingest import apply_operations

MAX_ERRORS_ANSWERED = 1000


class OperationsView(WireView):
    def post(self, request: Request) -> HttpResponse:
        """Apply a batch. Whatever is wrong with single operations is told in a 200: the clients end their thread at any
        other answer, and hold the whole batch for done at this one."""
        run = container_of(request, Action.LOG)
        with room_for(raw(request)):
            errors = _apply(run, read_body(raw(request), limit=MAX_JSON_BYTES))
        return json_answer(operation_errors(errors))


def _apply(run: Run, body: bytes) -> list[OperationError]:
    # The same bytes are the same batch: its points carry the time at which they were logged.
    identity = BatchIdentity(digest=hashlib.sha256(body).hexdigest())
    with ImageShelf(run) as shelf:
        try:
            read = read_batch(parse_json(body), shelf.keep)
        except BadValue as problem:
            raise MalformedBody(str(problem), position=0) from None
        operations = shelf.stored(read)
    result = apply_operations(run, operations, identity=identity)
    return sorted(result.errors, key=lambda error: error.index)


def operation_errors(errors: Sequence[OperationError]) -> list[dict[str, Any]]:
    """Errors as the clients read them. They show only the description, so the path is part of it."""
    return [{"errorType": _error_type(error), "errorDescription": _description(error)} for error in errors][
        :MAX_ERRORS_ANSWERED
    ]


def _error_type(error: OperationError) -> str:
    return "metadata_inconsistency" if error.code == "type_conflict" else error.code


def _description(error: OperationError) -> str:
    return error.message if not error.path or error.path in error.message else f"{error.path[:200]}: {error.message}"
