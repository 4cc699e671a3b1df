"""Headers of files that hold arrays and nothing that could be executed: safetensors, .npy, .npz."""

from __future__ import annotations

import json
import zipfile
from typing import Any, BinaryIO, cast

from numpy.lib import format as npy

from runs.files.described import numpy_name
from runs.files.facts import CheckpointFacts, Tensor
from runs.files.limits import Deadline, LimitedReader, LimitExceeded

MAX_SAFETENSORS_HEADER = 8 * 1024**2
MAX_DIRECTORY = 16 * 1024**2
MAX_MEMBERS = 100_000

_SAFETENSORS_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "C64": "complex64",
}


def safetensors(facts: CheckpointFacts, stream: BinaryIO, size: int, deadline: Deadline) -> None:
    """Eight bytes with the length of a JSON header, the header, the tensors."""
    length = int.from_bytes(stream.read(8), "little")
    if length > MAX_SAFETENSORS_HEADER:
        raise LimitExceeded(f"its header has more than {MAX_SAFETENSORS_HEADER} bytes")
    if 8 + length > size:
        raise ValueError("the header ends behind the file")
    header: dict[str, Any] = json.loads(stream.read(length))
    metadata = header.pop("__metadata__", {})
    facts.values = [(str(name), value) for name, value in metadata.items() if isinstance(value, str)]
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        if not 0 <= begin <= end <= size - 8 - length:
            raise ValueError("a tensor lies outside the file")
        shape = _checked_shape(tensor["shape"])
        dtype = str(tensor["dtype"])
        described = Tensor(name, _SAFETENSORS_DTYPES.get(dtype, dtype), shape, name, 0)
        facts.tensors.append(_owning(described))


def _checked_shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list | tuple) or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("a shape is no list of lengths")
    return tuple(shape)


def _owning(tensor: Tensor) -> Tensor:
    """The tensor with a storage of its own."""
    return Tensor(tensor.name, tensor.dtype, tensor.shape, tensor.storage, tensor.elements)


def numpy_array(facts: CheckpointFacts, stream: BinaryIO, size: int, deadline: Deadline) -> None:
    _read_header(facts, "array", stream)


def numpy_archive(facts: CheckpointFacts, stream: BinaryIO, size: int, deadline: Deadline) -> None:
    reader = LimitedReader(stream, MAX_DIRECTORY, size + MAX_DIRECTORY)
    with zipfile.ZipFile(cast(BinaryIO, reader)) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise LimitExceeded(f"it has more than {MAX_MEMBERS} members")
        for member in members:
            deadline.check()
            if member.filename.endswith(".npy"):
                with archive.open(member) as content:
                    _read_header(facts, member.filename.removesuffix(".npy"), cast(BinaryIO, content))


def _read_header(facts: CheckpointFacts, name: str, stream: BinaryIO) -> None:
    reader = LimitedReader(stream, 1024**2, 1024**2)
    version = npy.read_magic(reader)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(reader)
    if dtype.hasobject:
        facts.notes.append(f"{name} holds pickled objects, which were not examined.")
    facts.tensors.append(_owning(Tensor(name, numpy_name(dtype.str), _checked_shape(shape), name, 0)))
