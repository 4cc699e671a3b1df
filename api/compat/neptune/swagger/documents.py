"""The three documents, made once from the table of operations. `host`, `schemes` and `basePath` are left out: the
clients then use the origin they loaded the document from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import orjson

from api.compat.neptune.swagger import models, operations
from api.compat.neptune.swagger.models import ANYTHING, Schema
from api.compat.neptune.swagger.operations import Parameter, WireOperation

_ERRORS = (400, 401, 402, 403, 404, 409, 413, 422, 429, 503)
_DOCUMENTS: dict[str, tuple[tuple[WireOperation, ...], dict[str, Schema]]] = {
    "backend": (operations.BACKEND, models.BACKEND),
    "leaderboard": (operations.LEADERBOARD, models.LEADERBOARD),
    "artifacts": ((), {}),
}
NAMES = tuple(_DOCUMENTS)


@cache
def document(name: str) -> bytes:
    """The document named `backend`, `leaderboard` or `artifacts`, as JSON."""
    table, definitions = _DOCUMENTS[name]
    return orjson.dumps(
        {
            "swagger": "2.0",
            "info": {"title": name, "version": "1"},
            "paths": _paths(table),
            "definitions": dict(definitions),
        }
    )


def _paths(table: Iterable[WireOperation]) -> Mapping[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: WireOperation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "done"}
    if operation.answer is not None:
        success["schema"] = operation.answer
    errors = {str(status): {"description": "error", "schema": ANYTHING} for status in _ERRORS}
    return {
        "operationId": operation.name,
        "tags": ["api"],
        "consumes": [operation.consumes],
        "produces": [operation.produces],
        "parameters": [_parameter(each) for each in operation.parameters],
        "responses": {"200": success, **errors},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "in": parameter.place,
        "name": parameter.name,
        "required": parameter.is_required,
    }
    if parameter.place == "body":
        return {**described, "schema": parameter.schema}
    if parameter.schema.get("type") == "array":
        described["collectionFormat"] = "multi"
    return {**described, **parameter.schema}
