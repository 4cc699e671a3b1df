"""Facts about checkpoints of the usual formats. Nothing in a file is ever loaded, unpickled or executed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from typing import BinaryIO, cast

from runs.files import media_types
from runs.files.arrays import numpy_archive, numpy_array, safetensors
from runs.files.described import report_imports, report_values
from runs.files.facts import CheckpointFacts
from runs.files.limits import Deadline, LimitedReader, LimitExceeded
from runs.files.pickles import BrokenPickle, Global, read_pickle

MAX_SECONDS = 10.0
MAX_PART = 64 * 1024**2
MAX_DIRECTORY = 16 * 1024**2
MAX_MEMBERS = 100_000
MAX_PICKLES_IN_FILE = 1000

_LEGACY_TORCH_MAGIC = 0x1950A86A20F9469CFC6C


def inspect_checkpoint(stream: BinaryIO, size: int, media_type: str) -> CheckpointFacts:
    """What a checkpoint of `size` bytes holds; `media_type` is what its first bytes look like.

    Files that can't be understood, or only at too high a price, give facts whose `problem` says so. Raises what reading
    the stream raises (its trouble, not the file's) and MemoryError.
    """
    label, inspect = _INSPECTORS.get(media_type, ("unknown", _not_examined))
    facts = CheckpointFacts(label)
    try:
        inspect(facts, stream, size, Deadline(MAX_SECONDS))
    except (LimitExceeded, BrokenPickle) as error:
        facts.problem = f"Could not inspect: {error}."
    except _BROKEN_FILE as error:
        facts.problem = f"Could not inspect: the file is broken ({type(error).__name__})."
    return facts


# What the readers of the standard library raise for broken files. Errors of the disk are not among them.
_BROKEN_FILE = (
    zipfile.BadZipFile,
    ArithmeticError,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)


def _torch_zip(facts: CheckpointFacts, stream: BinaryIO, size: int, deadline: Deadline) -> None:
    found: set[Global] = set()
    reader = LimitedReader(stream, MAX_DIRECTORY, size + MAX_DIRECTORY)
    with zipfile.ZipFile(cast(BinaryIO, reader)) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise LimitExceeded(f"it has more than {MAX_MEMBERS} members")
        if any("/code/" in member.filename for member in members):
            facts.notes.append("It holds TorchScript code, which was not examined.")
        try:
            for member in members:
                if member.filename.endswith(".pkl"):
                    _torch_member(facts, archive, member, found, deadline)
        finally:
            report_imports(facts, found)


def _torch_member(
    facts: CheckpointFacts, archive: zipfile.ZipFile, member: zipfile.ZipInfo, found: set[Global], deadline: Deadline
) -> None:
    with archive.open(member) as content:
        described = read_pickle(LimitedReader(cast(BinaryIO, content), MAX_PART, MAX_PART), deadline, found)
    if member.filename.rpartition("/")[2] == "data.pkl":
        report_values(facts, described, deadline)


def _pickle(facts: CheckpointFacts, stream: BinaryIO, size: int, deadline: Deadline) -> None:
    """One pickle, several in a row, or the old format of torch.save: five pickles, then the bytes of the storages."""
    found: set[Global] = set()
    reader = LimitedReader(stream, MAX_PART, size + 1)
    try:
        first = read_pickle(reader, deadline, found)
        if first == _LEGACY_TORCH_MAGIC:
            facts.format = "PyTorch (before 1.6)"
            _legacy_torch(facts, reader, found, deadline)
        else:
            report_values(facts, first, deadline)
            _following(facts, reader, size, found, deadline)
    finally:
        report_imports(facts, found)


def _legacy_torch(facts: CheckpointFacts, reader: LimitedReader, found: set[Global], deadline: Deadline) -> None:
    for _ in ("protocol version", "system"):
        read_pickle(reader, deadline, found)
    content = read_pickle(reader, deadline, found)
    read_pickle(reader, deadline, found)  # the storages' keys; their bytes follow
    report_values(facts, content, deadline)


def _following(
    facts: CheckpointFacts, reader: LimitedReader, size: int, found: set[Global], deadline: Deadline
) -> None:
    """Pickles behind the first are read by whoever loads the file again and again, so their imports count as well."""
    for _ in range(MAX_PICKLES_IN_FILE):
        if reader.tell() >= size:
            return
        try:
            read_pickle(reader, deadline, found)
        except BrokenPickle:
            break
    facts.notes.append("More bytes follow that were not examined.")


def _not_examined(facts: CheckpointFacts, stream: BinaryIO, size: int, deadline: Deadline) -> None:
    facts.problem = "Not examined further."


_Inspector = Callable[[CheckpointFacts, BinaryIO, int, Deadline], None]
_INSPECTORS: dict[str, tuple[str, _Inspector]] = {
    media_types.TORCH: ("PyTorch", _torch_zip),
    media_types.PICKLE: ("pickle", _pickle),
    media_types.SAFETENSORS: ("safetensors", safetensors),
    media_types.NUMPY: ("NumPy array", numpy_array),
    media_types.NUMPY_ARCHIVE: ("NumPy arrays", numpy_archive),
    media_types.HDF5: ("HDF5", _not_examined),
    media_types.ONNX: ("ONNX", _not_examined),
    media_types.GGUF: ("GGUF", _not_examined),
}
