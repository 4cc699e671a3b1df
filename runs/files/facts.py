"""What an examined checkpoint turns out to hold, in a form that fits into a JSON column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MAX_TENSORS_LISTED = 2000
MAX_VALUES_LISTED = 50
MAX_IMPORTS_LISTED = 200
MAX_TEXT = 200
MAX_JSON_INTEGER = 2**53


@dataclass(frozen=True, slots=True)
class Tensor:
    """`storage` identifies the memory it looks at: tensors may share one. `storage_elements` is how many it has."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    storage: object
    storage_elements: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


# Bytes per element, by the name without "torch." or byte order.
ITEM_SIZES = {
    **dict.fromkeys(("float64", "double", "int64", "long", "uint64", "complex64"), 8.0),
    **dict.fromkeys(("float32", "float", "int32", "int", "uint32", "complex32", "qint32"), 4.0),
    **dict.fromkeys(("float16", "half", "bfloat16", "int16", "short", "uint16"), 2.0),
    **dict.fromkeys(("int8", "char", "uint8", "byte", "bool", "qint8", "quint8"), 1.0),
    **dict.fromkeys(("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"), 1.0),
    "complex128": 16.0,
}


@dataclass(slots=True)
class CheckpointFacts:
    """`problem` is empty, or says why no more is known ("could not inspect: …", "not examined further"). `imports` are
    the names that loading would import beyond the well-known harmless ones: what is listed was found, and an empty list
    promises nothing."""

    format: str
    problem: str = ""
    tensors: list[Tensor] = field(default_factory=list)
    values: list[tuple[str, object]] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """`elements` counts every shared storage once; `bytes` per dtype likewise; `groups` are elements by the first
        part of the name."""
        unique = _unique_storages(self.tensors)
        return {
            "format": self.format,
            "problem": plain(self.problem),
            "tensor_count": len(self.tensors),
            "elements": integer(sum(tensor.storage_elements for tensor in unique)),
            "bytes": _bytes_by_dtype(unique),
            "groups": _elements_by_group(unique),
            "tensors": [_tensor_json(tensor) for tensor in self.tensors[:MAX_TENSORS_LISTED]],
            "values": [[plain(name), scalar(value)] for name, value in self.values[:MAX_VALUES_LISTED]],
            "imports": [plain(name) for name in sorted(self.imports)[:MAX_IMPORTS_LISTED]],
            "notes": [plain(note) for note in self.notes],
        }


def _unique_storages(tensors: Sequence[Tensor]) -> list[Tensor]:
    return list({tensor.storage: tensor for tensor in reversed(tensors)}.values())[::-1]


def _bytes_by_dtype(tensors: Sequence[Tensor]) -> dict[str, int | str]:
    sizes: dict[str, float] = {}
    for tensor in tensors:
        size = ITEM_SIZES.get(tensor.dtype, 0.0) * tensor.storage_elements
        sizes[plain(tensor.dtype)] = sizes.get(plain(tensor.dtype), 0.0) + size
    return {dtype: integer(int(size)) for dtype, size in sorted(sizes.items())}


def _elements_by_group(tensors: Sequence[Tensor]) -> dict[str, int | str]:
    groups: dict[str, int] = {}
    for tensor in tensors:
        group = plain(tensor.name.partition(".")[0])
        groups[group] = groups.get(group, 0) + tensor.storage_elements
    return {group: integer(count) for group, count in groups.items()} if len(groups) <= MAX_VALUES_LISTED else {}


def _tensor_json(tensor: Tensor) -> Mapping[str, object]:
    return {
        "name": plain(tensor.name),
        "dtype": plain(tensor.dtype),
        "shape": [integer(length) for length in tensor.shape[:32]],
        "elements": integer(tensor.elements),
    }


def plain(text: str) -> str:
    """Text that every database and browser takes: no control characters or halves of characters, and not too long."""
    cut = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    whole = cut.encode("utf-8", "replace").decode()
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in whole)


def integer(number: int) -> int | str:
    """A number that survives JSON, as text when it is too large for that."""
    if abs(number) <= MAX_JSON_INTEGER:
        return number
    return str(number) if number.bit_length() <= 256 else "enormous"


def scalar(value: object) -> object:
    """A plain value for JSON, where NaN and infinities have no place."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return plain(str(value))
