"""The clients' operation objects, `{"path": …, "<operation>": {…}}`, as operations of the domain.

A bad one never harms the others: it becomes an UnreadableOperation, which the domain reports. Missing and null are the
same everywhere, since the clients send either.
"""

from __future__ import annotations

import base64
import binascii
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypeAlias

from api.compat.neptune.wire.values import (
    BadValue,
    from_float,
    from_milliseconds,
    from_optional_float,
    from_text,
    texts,
)
from runs.models import AttributeKind
from runs.operations import (
    AddTags,
    AppendFloats,
    AppendStrings,
    AssignValue,
    ClearSeries,
    ClearTags,
    ConfigureSeries,
    DeleteAttribute,
    DeleteFiles,
    Operation,
    RemoveTags,
    UnreadableOperation,
)

_IMAGES = "logImages"  # the one operation whose reader puts something aside
MAX_IMAGE_BYTES = 32 * 1024 * 1024
Payload: TypeAlias = Mapping[str, Any]
KeepImage: TypeAlias = Callable[[bytes], int]
"""Puts the bytes of an image aside and returns the number under which they are found again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePoint:
    """A point of a series of images, as FilePoint but with the number of the image put aside."""

    image: int
    step: float | None
    timestamp: int
    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogImages(Operation):
    """Becomes AppendFiles once the images are stored."""

    points: Sequence[ImagePoint]


def read_batch(document: object, keep_image: KeepImage) -> list[Operation]:
    """The operations of an executeOperations body. Raises BadValue when it is not a list at all.

    Elements are taken out of `document` as they are read, so that large ones do not stay in memory twice.
    """
    if not isinstance(document, list):
        raise BadValue("The body is not a list of operations.")
    operations: list[Operation] = []
    document.reverse()
    for index in range(len(document)):
        element = document.pop()
        try:
            operations.append(read_operation(element, index, keep_image))
        except BadValue as problem:
            path = element.get("path") if isinstance(element, dict) else None
            operations.append(
                UnreadableOperation(
                    path=from_text(path, "The path") if isinstance(path, str) else "",
                    index=index,
                    code="invalid_operation",
                    message=str(problem),
                    value=reprlib.repr(element)[:200],
                )
            )
    return operations


def read_operation(element: object, index: int, keep_image: KeepImage) -> Operation:
    """One operation. Raises BadValue, saying what is wrong."""
    if not isinstance(element, dict):
        raise BadValue("An operation is not an object.")
    path = from_text(element.get("path"), "The path")
    shown = path[:200]
    names = [name for name, payload in element.items() if name != "path" and payload is not None]
    if len(names) != 1:
        raise BadValue(f"{shown}: an operation has exactly one kind; this has {len(names)}.")
    if names[0] not in OPERATION_NAMES:
        raise BadValue(f"{shown}: this server has no operation named '{names[0][:64]}'.")
    payload = element[names[0]]
    if not isinstance(payload, dict):
        raise BadValue(f"{shown}: {names[0]} is not an object.")
    try:
        if names[0] == _IMAGES:
            return _log_images(path, index, payload, keep_image)
        return _READERS[names[0]](path, index, payload)
    except BadValue as problem:
        raise BadValue(f"{shown}: {problem}") from None


def _assign_float(path: str, index: int, payload: Payload) -> Operation:
    value = from_float(payload.get("value"), "The value")
    return AssignValue(path=path, index=index, kind=AttributeKind.FLOAT, value=value)


def _assign_int(path: str, index: int, payload: Payload) -> Operation:
    value = payload.get("value")
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue("The value is not an integer of 64 bits.")
    return AssignValue(path=path, index=index, kind=AttributeKind.INT, value=value)


def _assign_bool(path: str, index: int, payload: Payload) -> Operation:
    value = payload.get("value")
    if not isinstance(value, bool):
        raise BadValue("The value is not true or false.")
    return AssignValue(path=path, index=index, kind=AttributeKind.BOOL, value=value)


def _assign_string(path: str, index: int, payload: Payload) -> Operation:
    value = from_text(payload.get("value"), "The string")
    return AssignValue(path=path, index=index, kind=AttributeKind.STRING, value=value)


def _assign_datetime(path: str, index: int, payload: Payload) -> Operation:
    value = from_milliseconds(payload.get("valueMilliseconds"), "The value")
    return AssignValue(path=path, index=index, kind=AttributeKind.DATETIME, value=value)


def _entries(payload: Payload) -> list[Payload]:
    entries = payload.get("entries")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadValue("The entries are not a list of objects.")
    return entries


def _steps(entries: Sequence[Payload]) -> list[float | None]:
    steps = [entry.get("step") for entry in entries]
    if {type(step) for step in steps} <= {float, NoneType}:
        return steps
    return [from_optional_float(step, "A step") for step in steps]


def _timestamps(entries: Sequence[Payload]) -> list[int]:
    return [_timestamp(entry.get("timestampMilliseconds")) for entry in entries]


def _timestamp(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:
        raise BadValue("A timestamp is not a number of milliseconds.")
    return int(value)


def _log_floats(path: str, index: int, payload: Payload) -> Operation:
    entries = _entries(payload)
    return AppendFloats(
        path=path,
        index=index,
        values=_numbers([entry.get("value") for entry in entries]),
        steps=_steps(entries),
        timestamps=_timestamps(entries),
    )


def _numbers(values: list[Any]) -> list[float]:
    """The values of points; nearly always all are floats already."""
    if {type(value) for value in values} <= {float}:
        return values
    return [from_float(value, "A point's value") for value in values]


def _log_strings(path: str, index: int, payload: Payload) -> Operation:
    entries = _entries(payload)
    return AppendStrings(
        path=path,
        index=index,
        values=[from_text(entry.get("value"), "A line") for entry in entries],
        steps=_steps(entries),
        timestamps=_timestamps(entries),
    )


def _log_images(path: str, index: int, payload: Payload, keep_image: KeepImage) -> Operation:
    entries = _entries(payload)
    return LogImages(path=path, index=index, points=[_image_point(entry, keep_image) for entry in entries])


def _image_point(entry: Payload, keep_image: KeepImage) -> ImagePoint:
    image = entry.get("value")
    if not isinstance(image, dict):
        raise BadValue("An image is not an object.")
    step = from_optional_float(entry.get("step"), "A step")
    timestamp = _timestamp(entry.get("timestampMilliseconds"))
    name = from_text(image.get("name") or "", "The image's name")
    description = from_text(image.get("description") or "", "The image's description")
    # Last, so that nothing is put aside for a point that can't be added.
    number = keep_image(_image_bytes(image.get("data")))
    return ImagePoint(image=number, step=step, timestamp=timestamp, name=name, description=description)


def _image_bytes(data: object) -> bytes:
    """The decoded image; empty for one that the client left out because it is too large."""
    if data is not None and not isinstance(data, str):
        raise BadValue("The image's data is not a text.")
    try:
        content = base64.b64decode(data or "", validate=True)
    except (binascii.Error, ValueError):
        raise BadValue("The image's data is not base64.") from None
    if len(content) > MAX_IMAGE_BYTES:
        raise BadValue(f"The image has {len(content)} bytes; the limit is {MAX_IMAGE_BYTES}.")
    return content


def _clear(kind: AttributeKind) -> Callable[[str, int, Payload], Operation]:
    return lambda path, index, payload: ClearSeries(path=path, index=index, kind=kind)


def _configure(path: str, index: int, payload: Payload) -> Operation:
    unit = payload.get("unit")
    return ConfigureSeries(
        path=path,
        index=index,
        minimum=from_optional_float(payload.get("min"), "The minimum"),
        maximum=from_optional_float(payload.get("max"), "The maximum"),
        unit=None if unit is None else from_text(unit, "The unit"),
    )


def _insert_strings(path: str, index: int, payload: Payload) -> Operation:
    return AddTags(path=path, index=index, tags=texts(payload.get("values"), "The set"))


def _remove_strings(path: str, index: int, payload: Payload) -> Operation:
    return RemoveTags(path=path, index=index, tags=texts(payload.get("values"), "The set"))


def _clear_string_set(path: str, index: int, payload: Payload) -> Operation:
    return ClearTags(path=path, index=index)


def _delete_files(path: str, index: int, payload: Payload) -> Operation:
    return DeleteFiles(path=path, index=index, member_paths=texts(payload.get("filePaths"), "The list of files"))


def _delete_attribute(path: str, index: int, payload: Payload) -> Operation:
    return DeleteAttribute(path=path, index=index)


def _not_here(path: str, index: int, payload: Payload) -> Operation:
    raise BadValue("This server does not track artifacts.")


_READERS: dict[str, Callable[[str, int, Payload], Operation]] = {
    "assignFloat": _assign_float,
    "assignInt": _assign_int,
    "assignBool": _assign_bool,
    "assignString": _assign_string,
    "assignDatetime": _assign_datetime,
    "assignArtifact": _not_here,
    "clearArtifact": _not_here,
    "logFloats": _log_floats,
    "logStrings": _log_strings,
    "clearFloatSeries": _clear(AttributeKind.FLOAT_SERIES),
    "clearStringSeries": _clear(AttributeKind.STRING_SERIES),
    "clearImageSeries": _clear(AttributeKind.FILE_SERIES),
    "configFloatSeries": _configure,
    "insertStrings": _insert_strings,
    "removeStrings": _remove_strings,
    "clearStringSet": _clear_string_set,
    "deleteFiles": _delete_files,
    "deleteAttribute": _delete_attribute,
}
OPERATION_NAMES = (*_READERS, _IMAGES)
