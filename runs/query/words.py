"""The names of types in queries: those of the Neptune clients (`floatSeries`) and our own (`float_series`)."""

from __future__ import annotations

from runs.models import AttributeKind

_TYPES: dict[str, AttributeKind] = {
    **{str(kind.label): kind for kind in AttributeKind},
    "stringSet": AttributeKind.STRING_SET,
    "floatSeries": AttributeKind.FLOAT_SERIES,
    "stringSeries": AttributeKind.STRING_SERIES,
    "imageSeries": AttributeKind.FILE_SERIES,
    "fileSet": AttributeKind.FILE_SET,
    "gitRef": AttributeKind.GIT_REF,
    "experimentState": AttributeKind.RUN_STATE,
    "integer": AttributeKind.INT,
}


def type_of(name: str) -> AttributeKind | None:
    """The kind that a type's name stands for; None for an unknown name."""
    return _TYPES.get(name)
