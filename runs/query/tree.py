"""A question about runs as a tree of conditions, whatever language it was asked in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class QuerySyntaxError(ValueError):
    """A query that can't be understood. Its message says why; `position` is the character where (from 0), or None."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class Aggregate(StrEnum):
    """Which figure of a series stands for it. Attributes that are no series have only their (last) value."""

    LAST = "last"
    MINIMUM = "min"
    MAXIMUM = "max"
    MEAN = "mean"
    VARIANCE = "variance"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Condition:
    """`path` has a value that compares so; `type` is the type as written, empty for any."""

    path: str
    type: str
    operator: str
    value: str
    aggregate: Aggregate = Aggregate.LAST
    position: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    part: Query


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; with no parts it holds for everything."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Any:
    parts: tuple[Query, ...]


Query: TypeAlias = "Condition | Not | All | Any"
EVERYTHING = All(())
