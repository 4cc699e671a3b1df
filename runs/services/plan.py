"""Working out what a batch of operations does to each path, before anything is written.

Operations on different paths do not influence each other, except that a path can't be an attribute and a namespace at
once. So a batch becomes one PathPlan per path, and the writes of all paths can be done together. Nothing here touches
the database.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from runs.models import AttributeKind
from runs.models.attribute import MAX_TAG_LENGTH
from runs.operations import (
    AddFiles,
    AddTags,
    AppendFiles,
    AppendFloats,
    AppendStrings,
    AssignFile,
    AssignGitRef,
    AssignValue,
    ClearSeries,
    ClearTags,
    ConfigureSeries,
    DeleteAttribute,
    DeleteFiles,
    Operation,
    OperationError,
    RemoveTags,
    UnreadableOperation,
)
from runs.paths import READ_ONLY_PATHS, SYSTEM_KINDS, TAG_PATHS, parents, path_problem

MAX_TEXT_BYTES = 65_536
MAX_TAGS_PER_OPERATION = 1000
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Existing:
    """An attribute the run has already."""

    definition_id: int
    kind: AttributeKind


@dataclass(slots=True)
class PathPlan:
    """What remains to be done for one path once all operations of the batch are taken together."""

    path: str
    existing: Existing | None
    kind: AttributeKind | None
    drops_existing: bool = False
    clears: bool = False
    value: AssignValue | None = None
    git: AssignGitRef | None = None
    config: ConfigureSeries | None = None
    floats: list[AppendFloats] = field(default_factory=list)
    strings: list[AppendStrings] = field(default_factory=list)
    files: list[AppendFiles] = field(default_factory=list)
    clears_tags: bool = False
    tags: dict[str, bool] = field(default_factory=dict)  # True: add, False: remove
    file: AssignFile | None = None
    members: list[AddFiles | DeleteFiles] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        """Whether an attribute row must be made."""
        return self.kind is not None and (self.existing is None or self.drops_existing)

    @property
    def retained(self) -> Existing | None:
        """The existing attribute, unless the batch removes it."""
        return None if self.drops_existing else self.existing

    def forget(self) -> None:
        """Drop all that was planned: the attribute is deleted at this point of the batch."""
        self.drops_existing = self.drops_existing or self.existing is not None
        self.kind = None
        self.clears = self.clears_tags = False
        self.value = self.git = self.config = self.file = None
        for planned in (self.floats, self.strings, self.files, self.members):
            planned.clear()
        self.tags.clear()


class Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BatchPlan:
    """`paths` in the order first named, and the `errors` of operations that can't be applied.

    `existing` maps the run's attributes among the batch's paths and their namespaces; `namespaces` are the batch's
    paths below which the run has attributes.
    """

    def __init__(self, existing: Mapping[str, Existing], namespaces: Iterable[str]) -> None:
        self._existing = existing
        self._namespaces = set(namespaces)
        self._planned_below: Counter[str] = Counter()  # new attributes of this batch, by namespace
        self.paths: dict[str, PathPlan] = {}
        self.errors: list[OperationError] = []

    def add(self, operation: Operation) -> None:
        """Plan one operation, or note why it can't be applied; the others are unaffected."""
        try:
            if isinstance(operation, UnreadableOperation):
                raise Refused(operation.code, operation.message)
            self._check_path(operation)
            kind = kind_of(operation)
            check_value(operation)
            plan = self._plan_for(operation.path)
            if kind is None:
                self._forget(plan)
                return
            self._check_kind(operation, plan, kind)
            if plan.kind is None:
                plan.kind = kind
                self._planned_below.update(parents(plan.path))
            _merge(plan, operation)
        except Refused as refusal:
            self.errors.append(OperationError(operation.index, operation.path, refusal.code, refusal.message))

    def _forget(self, plan: PathPlan) -> None:
        if plan.is_new:
            self._planned_below.subtract(parents(plan.path))
        plan.forget()

    def _plan_for(self, path: str) -> PathPlan:
        plan = self.paths.get(path)
        if plan is None:
            existing = self._existing.get(path)
            plan = self.paths[path] = PathPlan(path, existing, existing.kind if existing else None)
        return plan

    def _check_path(self, operation: Operation) -> None:
        if problem := path_problem(operation.path):
            raise Refused("invalid_path", problem)
        if operation.path in READ_ONLY_PATHS:
            raise Refused("read_only", f"{operation.path} is kept by the platform and can't be changed.")

    def _check_kind(self, operation: Operation, plan: PathPlan, kind: AttributeKind) -> None:
        path = operation.path
        if plan.kind is not None:
            if plan.kind is not kind:
                raise Refused(
                    "type_conflict", f"{path} has the type {plan.kind.label}; {kind.label} can't be logged to it."
                )
            return
        if (kind is AttributeKind.STRING_SET) != (path in TAG_PATHS):
            raise Refused(
                "type_conflict", f"Sets of strings are kept in {' and '.join(sorted(TAG_PATHS))}, and only they."
            )
        given = SYSTEM_KINDS.get(path, kind)
        if given is not kind:
            raise Refused("type_conflict", f"{path} has the type {given.label}; {kind.label} can't be logged to it.")
        for parent in parents(path):
            if self._is_attribute(parent):
                raise Refused("type_conflict", f"{parent} is an attribute, so {path} can't lie inside it.")
        if path in self._namespaces or self._planned_below[path] > 0:
            raise Refused(
                "type_conflict", f"{path} is a namespace with attributes inside; it can't be an attribute too."
            )

    def _is_attribute(self, path: str) -> bool:
        plan = self.paths.get(path)
        return plan.kind is not None if plan else path in self._existing


def kind_of(operation: Operation) -> AttributeKind | None:
    """The kind of attribute an operation works on; None for a deletion, which works on any."""
    match operation:
        case AssignValue(kind=kind) | ClearSeries(kind=kind):
            return kind
        case AppendFloats() | ConfigureSeries():
            return AttributeKind.FLOAT_SERIES
        case AppendStrings():
            return AttributeKind.STRING_SERIES
        case AppendFiles():
            return AttributeKind.FILE_SERIES
        case AddTags() | RemoveTags() | ClearTags():
            return AttributeKind.STRING_SET
        case AssignFile():
            return AttributeKind.FILE
        case AddFiles() | DeleteFiles():
            return AttributeKind.FILE_SET
        case AssignGitRef():
            return AttributeKind.GIT_REF
        case DeleteAttribute():
            return None
    raise Refused("unknown_operation", f"There is no operation {type(operation).__name__}.")


def text_problem(text: str, what: str) -> str:
    """Why a text can't be stored, in words; empty when it can."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return f"{what} holds a character that is not valid Unicode."
    if size > MAX_TEXT_BYTES:
        return f"{what} has {size} bytes; the limit is {MAX_TEXT_BYTES}. Upload it as a file instead."
    return f"{what} holds a zero character." if "\x00" in text else ""


def check_value(operation: Operation) -> None:
    """Refuse values that can't be stored. Points of series are checked one by one where they are packed."""
    match operation:
        case AssignValue(kind=AttributeKind.STRING, value=str(text)):
            if problem := text_problem(text, "The string"):
                raise Refused("invalid_value", problem)
        case AssignValue(kind=AttributeKind.INT, value=bool()):
            raise Refused("invalid_value", "A bool is not an int.")
        case AssignValue(kind=AttributeKind.INT, value=int(number)):
            if number not in _INT64:
                raise Refused("invalid_value", "The integer does not fit into 64 bits.")
        case AssignValue(kind=AttributeKind.FLOAT, value=bool()):
            raise Refused("invalid_value", "A bool is not a float.")
        case AssignValue(kind=AttributeKind.FLOAT, value=int() | float()):
            _check_float(operation.value)
        case (
            AssignValue(kind=AttributeKind.BOOL, value=bool())
            | AssignValue(kind=AttributeKind.DATETIME, value=datetime())
        ):
            return
        case AssignValue():
            raise Refused("invalid_value", f"The value is not of the type {operation.kind.label}.")
        case ClearSeries(kind=kind) if not kind.is_series:
            raise Refused("invalid_value", "Only a series can be cleared.")
        case AddTags(tags=tags) | RemoveTags(tags=tags):
            _check_tags(tags)
        case ConfigureSeries():
            _check_range(operation)
        case _:
            return


def _check_float(value: object) -> None:
    try:
        float(value)  # type: ignore[arg-type]
    except OverflowError as error:
        raise Refused("invalid_value", "The number is too large for a float.") from error


def _check_tags(tags: Iterable[str]) -> None:
    tags = list(tags)
    if len(tags) > MAX_TAGS_PER_OPERATION:
        raise Refused("invalid_value", f"There are {len(tags)} tags; the limit is {MAX_TAGS_PER_OPERATION} at a time.")
    for tag in tags:
        if not 1 <= len(tag) <= MAX_TAG_LENGTH:
            raise Refused("invalid_value", f"A tag has {len(tag)} characters; it must have 1 to {MAX_TAG_LENGTH}.")
        if problem := text_problem(tag, "A tag"):
            raise Refused("invalid_value", problem)


def _check_range(operation: ConfigureSeries) -> None:
    for bound in (operation.minimum, operation.maximum):
        if bound is not None and not math.isfinite(bound):
            raise Refused("invalid_value", "The range of a series must be finite.")
    if operation.unit and (len(operation.unit) > 32 or text_problem(operation.unit, "The unit")):
        raise Refused("invalid_value", "The unit of a series may have 32 characters.")


def _merge(plan: PathPlan, operation: Operation) -> None:
    match operation:
        case AssignValue():
            plan.value = operation
        case AssignGitRef():
            plan.git = operation
        case AppendFloats():
            plan.floats.append(operation)
        case AppendStrings():
            plan.strings.append(operation)
        case AppendFiles():
            plan.files.append(operation)
        case ClearSeries():
            plan.clears = True
            plan.floats.clear()
            plan.strings.clear()
            plan.files.clear()
        case ConfigureSeries():
            plan.config = operation
        case AddTags(tags=tags):
            plan.tags.update(dict.fromkeys(tags, True))
        case RemoveTags(tags=tags):
            plan.tags.update(dict.fromkeys(tags, False))
        case ClearTags():
            plan.clears_tags = True
            plan.tags.clear()
        case AssignFile():
            plan.file = operation
        case AddFiles() | DeleteFiles():
            plan.members.append(operation)
