"""Queries of the clients' tables as database filters over runs."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from django.db.models import Q
from django.utils import timezone

from api.compat.neptune.wire.attributes import KINDS
from api.compat.neptune.wire.nql import All, Any, Condition, Not, Query, QuerySyntaxError
from projects.models import Project
from runs.models import Attribute, AttributeKind, AttributeTag
from runs.models.run import PING_TIMEOUT

_LOOKUPS = {"=": "exact", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "CONTAINS": "contains"}
COMPUTED_PATHS = frozenset(
    f"sys/{name}"
    for name in ("trashed", "id", "state", "modification_time", "ping_time", "size", "running_time", "monitoring_time")
)
_NEGATIONS = {"!=": "=", "NOT CONTAINS": "CONTAINS"}
_NUMBERS = {AttributeKind.FLOAT, AttributeKind.INT, AttributeKind.FLOAT_SERIES}
_TEXTS = {AttributeKind.STRING, AttributeKind.STRING_SERIES, AttributeKind.FILE, AttributeKind.ARTIFACT}
_TYPES = {**KINDS, "integer": AttributeKind.INT}


def runs_matching(project: Project, query: Query) -> Q:
    """The filter for a query. Raises QuerySyntaxError for values that don't fit their type."""
    match query:
        case All(parts):
            condition = Q()
            for part in parts:
                condition &= runs_matching(project, part)
            return condition
        case Any(parts):
            condition = runs_matching(project, parts[0])
            for part in parts[1:]:
                condition |= runs_matching(project, part)
            return condition
        case Not(part):
            return ~runs_matching(project, part)
        case Condition():
            return _condition(project, query)


def _condition(project: Project, condition: Condition) -> Q:
    if positive := _NEGATIONS.get(condition.operator):
        # As for every comparison, only runs that have the attribute are meant.
        same = Condition(condition.path, condition.type, positive, condition.value)
        return ~_condition(project, same) & _has(project, condition)
    computed = _computed(condition)
    if computed is not None:
        return computed
    if condition.type and condition.type not in _TYPES:
        raise QuerySyntaxError(f"There is no type '{condition.type}'.")
    kinds = [_TYPES[condition.type]] if condition.type else list(dict.fromkeys(_TYPES.values()))
    found = Q(pk__in=[])
    for kind in kinds:
        try:
            found |= _of_kind(project, condition, kind)
        except QuerySyntaxError:
            if condition.type:
                raise
    return found


def _has(project: Project, condition: Condition) -> Q:
    if _computed(condition) is not None:
        return Q()
    rows = Attribute.objects.filter(definition__project=project, definition__path=condition.path)
    if condition.type:
        rows = rows.filter(definition__kind=_TYPES[condition.type])
    return Q(pk__in=rows.values("run_id"))


def _computed(condition: Condition) -> Q | None:
    """The attributes that follow from the run's own columns."""
    lookup = _LOOKUPS.get(condition.operator, "exact")
    if lookup == "contains" and condition.path != "sys/id" and condition.path in COMPUTED_PATHS:
        raise QuerySyntaxError("CONTAINS is for texts and sets.")
    match condition.path:
        case "sys/trashed":
            return Q(trashed_at__isnull=not _truth(condition.value))
        case "sys/id":
            return Q(**{f"sys_id__{lookup}": condition.value})
        case "sys/state":
            alive = Q(last_ping_at__gte=timezone.now() - PING_TIMEOUT, finished_at__isnull=True)
            return alive if condition.value.lower() in {"running", "active"} else ~alive
        case "sys/modification_time" | "sys/ping_time":
            column = "touched_at" if condition.path == "sys/modification_time" else "last_ping_at"
            return Q(**{f"{column}__{lookup}": _moment(condition.value)})
        case "sys/size" | "sys/running_time" | "sys/monitoring_time":
            column = "size_bytes" if condition.path == "sys/size" else "running_seconds"
            return Q(**{f"{column}__{lookup}": _number(condition.value)})
    return None


def _of_kind(project: Project, condition: Condition, kind: AttributeKind) -> Q:
    if kind is AttributeKind.STRING_SET:
        tags = AttributeTag.objects.filter(
            definition__project=project, definition__path=condition.path, tag=condition.value
        )
        return Q(pk__in=tags.values("run_id"))
    lookup = _LOOKUPS[condition.operator]
    rows = Attribute.objects.filter(
        definition__project=project, definition__path=condition.path, definition__kind=kind
    ).filter(_value_filter(kind, lookup, condition.value))
    return Q(pk__in=rows.values("run_id"))


def _value_filter(kind: AttributeKind, lookup: str, value: str) -> Q:
    if kind in _TEXTS:
        return Q(**{f"text__{lookup}": value}) | Q(**{f"long_text__{lookup}": value})
    if lookup == "contains":
        raise QuerySyntaxError("CONTAINS is for texts and sets.")
    if kind in _NUMBERS:
        return Q(**{f"number__{lookup}": _number(value)})
    if kind is AttributeKind.BOOL:
        return Q(**{f"number__{lookup}": float(_truth(value))})
    if kind is AttributeKind.DATETIME:
        return Q(**{f"number__{lookup}": _moment(value).timestamp() * 1000})
    raise QuerySyntaxError("This type can't be compared.")


def _number(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QuerySyntaxError(f"'{value[:50]}' is not a number.")
    return number


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise QuerySyntaxError(f"'{value[:50]}' is not true or false.")
    return value.lower() == "true"


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise QuerySyntaxError(f"'{value[:50]}' is not a date.") from None
