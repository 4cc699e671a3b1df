"""Building blocks of the serializers: what all requests and answers of the native API have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.limits import MAX_PAGE_SIZE, PAGE_SIZE, SEARCH_LENGTH
from api.pagination import MAX_CURSOR_LENGTH


class Input(serializers.Serializer[Any]):
    """A request body or query: unknown fields are refused, so that a misspelt one is noticed."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [str(name) for name in data if name not in self.fields]
            if unknown:
                known = ", ".join(self.fields)
                raise serializers.ValidationError({unknown[0][:100]: f"There is no such field; known are: {known}."})
        return super().to_internal_value(data)


class Output(serializers.Serializer[Any]):
    """The shape of an answer."""


class PageQuery(Input):
    """Every list takes these."""

    cursor = serializers.CharField(
        max_length=MAX_CURSOR_LENGTH,
        required=False,
        allow_blank=True,
        default="",
        help_text="`next` of the page before.",
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE, default=PAGE_SIZE)


class SearchField(serializers.CharField):
    """Text to look for, in any case."""

    def __init__(self, **kwargs: Any) -> None:
        options = {"max_length": SEARCH_LENGTH, "required": False, "allow_blank": True, "default": ""}
        super().__init__(**{**options, **kwargs})


class PathField(serializers.CharField):
    """An attribute's path, kept as it is: blanks at its ends belong to it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 1024, "trim_whitespace": False, **kwargs})


class FiniteFloatField(serializers.FloatField):
    def to_internal_value(self, data: Any) -> float:
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            raise serializers.ValidationError("A finite number is needed.")
        return value


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]})
class FloatField(serializers.FloatField):
    """A float as answers hold it: special ones by name."""


@extend_schema_field(OpenApiTypes.ANY)
class ValueField(serializers.Field[Any, Any, Any, Any]):
    """A value of any kind: number, text, time, list of tags, git document."""


@extend_schema_field({"type": "array", "items": {"oneOf": [{"type": "number"}, {"type": "string"}]}})
class FloatColumn(serializers.Field[Any, Any, Any, Any]):
    """A column of floats; special ones by name."""


def page_of(item: type[serializers.Serializer[Any]], **extra: serializers.Field[Any, Any, Any, Any]) -> Any:
    """The serializer of a list whose members are `item`."""
    fields = {
        "results": item(many=True),
        "next": serializers.CharField(allow_null=True, help_text="Cursor of the next page; null on the last one."),
        **extra,
    }
    return type(f"{item.__name__}Page", (Output,), fields)
