"""Everything that can be logged, as small frozen values: the one list that every wire turns its requests into and
`services.ingest.apply_operations` applies.

Paths are '/'-separated without a leading slash. Timestamps are milliseconds since 1970 (UTC). A step of None means "the
next one": the largest step of the series plus one, or 0 in an empty series. NaN and infinities are ordinary values of a
float series. `index` is the operation's place in the request, by which errors are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from runs.models import AttributeKind, StoredFile

Scalar: TypeAlias = float | int | bool | str | datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    path: str
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignValue(Operation):
    """Set a float, int, bool, string or datetime (aware); `kind` says which."""

    kind: AttributeKind
    value: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendFloats(Operation):
    """Add points to a float series; three columns of equal length."""

    values: Sequence[float]
    steps: Sequence[float | None]
    timestamps: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendStrings(Operation):
    """Add lines to a string series; three columns of equal length."""

    values: Sequence[str]
    steps: Sequence[float | None]
    timestamps: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePoint:
    """A file of a file series. The bytes are stored before the operation is applied."""

    file: StoredFile
    step: float | None
    timestamp: int
    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendFiles(Operation):
    points: Sequence[FilePoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearSeries(Operation):
    """Drop all points of a series; creates an empty one where there is none."""

    kind: AttributeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureSeries(Operation):
    """Set how a float series is shown; creates an empty one where there is none."""

    minimum: float | None
    maximum: float | None
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTags(Operation):
    tags: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveTags(Operation):
    tags: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearTags(Operation):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignFile(Operation):
    """Set a file attribute to stored bytes. `extension` has no dot and may be empty."""

    file: StoredFile
    extension: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFiles(Operation):
    """Merge members into a file set by their path in it; with `reset` the set is emptied first."""

    members: Mapping[str, StoredFile]
    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFiles(Operation):
    """Remove members of a file set: files, or directories with all below them. Absent ones are ignored."""

    member_paths: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAttribute(Operation):
    """Remove an attribute with all it holds and free its path for another kind. Removing an absent one is no error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignGitRef(Operation):
    """Set a git reference: commit {id, message, author_name, author_email, date}, branch, remotes, is_dirty."""

    reference: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableOperation(Operation):
    """What a wire could not understand as an operation; it is reported and kept like any other that can't be applied.
    `value` is the beginning of what was sent."""

    code: str
    message: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class FloatBlock:
    """Points of several float series, series after series: the form in which a request that only logs points travels,
    since a value per point is all that is left to touch. Each path occurs once. A NaN in `steps` is a missing step.
    """

    paths: Sequence[str]
    indexes: Sequence[int]
    """The place in the request of each series' operation."""
    counts: Sequence[int]
    steps: NDArray[np.float64]
    timestamps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TextBlock:
    """As FloatBlock, for string series."""

    paths: Sequence[str]
    indexes: Sequence[int]
    counts: Sequence[int]
    steps: NDArray[np.float64]
    timestamps: NDArray[np.int64]
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class PointColumns:
    """A request that logs points and does nothing else; either block may be absent. No path is in both."""

    floats: FloatBlock | None = None
    texts: TextBlock | None = None


@dataclass(frozen=True, slots=True)
class OperationError:
    """Why one operation was not applied. `index` is its place in the request."""

    index: int
    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchIdentity:
    """What makes a request's points recognisable when they are sent again.

    A numbered batch is (writer uuid, seq): the sender promises that equal numbers mean equal content and sends one
    batch at a time. A batch without a number (the Neptune wire) carries the digest of its canonical operations instead;
    its points are then also compared by content, since that client may cut its queue elsewhere after a restart.
    `session` (a uuid, may be empty) names the client's session: only its first batch in a run can be such a repetition.
    """

    writer: str = ""
    seq: int = 0
    digest: str = ""
    session: str = ""

    @property
    def is_numbered(self) -> bool:
        return bool(self.writer)


@dataclass(frozen=True, slots=True)
class IngestResult:
    """`applied` operations, `errors` for the others, and whether the batch had been received before."""

    applied: int
    errors: tuple[OperationError, ...]
    is_duplicate: bool = False
