"""What a run has already at the paths that a batch names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from projects.rows import fetch
from runs.models import Attribute, AttributeDefinition, AttributeKind, Run
from runs.operations import Operation
from runs.paths import parents, path_problem, range_below
from runs.series.sql import among_texts
from runs.services import memory
from runs.services.plan import Existing

_IN_CHUNK = 500
_NAMESPACES_AT_ONCE = 100
# A batch with more new paths than this has the attributes of its run read as a whole, if they are not too many: the
# first batch of a run brings its whole configuration.
_MANY_PATHS = 100
_FEW_ATTRIBUTES = 2000
# So few are read as a whole when nothing is remembered of the run: that takes one query instead of two.
_VERY_FEW_ATTRIBUTES = 100
_ATTRIBUTE, _DEFINITION = Attribute._meta.db_table, AttributeDefinition._meta.db_table


def known_attributes(run: Run, operations: Sequence[Operation]) -> tuple[dict[str, Existing], list[str]]:
    """The run's attributes among the paths of the operations and their namespaces, and the paths that are namespaces in
    the run. The caller holds the lock on the run."""
    paths = {operation.path for operation in operations if not path_problem(operation.path)}
    existing = _remembered(run, paths)
    unknown = paths - existing.keys()
    if not unknown:
        return existing, []
    few = _few_enough_to_read_all(unknown, existing)
    if few and len(found := _read(run, "", [], few + 1)) <= few:
        inside = {parent for path in found for parent in parents(path)}
        return found | existing, sorted(unknown & inside)
    wanted = sorted(unknown.union(*(parents(path) for path in unknown)))
    for start in range(0, len(wanted), _IN_CHUNK):
        condition, texts = among_texts("d.path", wanted[start : start + _IN_CHUNK])
        existing |= _read(run, f"AND {condition}", [texts], _IN_CHUNK * len(AttributeKind))
    return existing, _namespaces_among(run, sorted(unknown - existing.keys()))


def _few_enough_to_read_all(unknown: Collection[str], remembered: Collection[str]) -> int:
    """Up to how many attributes all of the run are read instead of those that are wanted; 0 for never."""
    if len(unknown) > _MANY_PATHS:
        return _FEW_ATTRIBUTES
    return 0 if remembered else _VERY_FEW_ATTRIBUTES


def _remembered(run: Run, paths: Collection[str]) -> dict[str, Existing]:
    """The series that this process knows of. The run's row is locked, so its version is the truth."""
    known = memory.recall(run.pk)
    if known is None or known.version != run.attributes_version:
        return {}
    found = {path: Existing(known.floats[path], AttributeKind.FLOAT_SERIES) for path in paths if path in known.floats}
    texts = {path: Existing(known.texts[path], AttributeKind.STRING_SERIES) for path in paths if path in known.texts}
    return found | texts


def _read(run: Run, condition: str, parameters: Sequence[Any], limit: int) -> dict[str, Existing]:
    """Attributes of the run for which the condition holds, up to a number of them."""
    rows = fetch(
        f"SELECT d.path, d.kind, d.id FROM {_ATTRIBUTE} a JOIN {_DEFINITION} d ON d.id = a.definition_id "  # noqa: S608
        f"WHERE a.run_id = %s {condition} LIMIT {limit:d}",
        [run.pk, *parameters],
    )
    return {path: Existing(pk, AttributeKind(kind)) for path, kind, pk in rows}


def _namespaces_among(run: Run, paths: Sequence[str]) -> list[str]:
    """Which of these new paths have attributes of the run below them; usually none."""
    namespaces: list[str] = []
    for start in range(0, len(paths), _NAMESPACES_AT_ONCE):
        some = paths[start : start + _NAMESPACES_AT_ONCE]
        ranges = [range_below(path, "d.path") for path in some]
        rows = fetch(
            f"SELECT d.path FROM {_DEFINITION} d JOIN {_ATTRIBUTE} a ON a.definition_id = d.id WHERE d.project_id = %s"  # noqa: S608
            f" AND a.run_id = %s AND ({' OR '.join(condition for condition, _ in ranges)}) LIMIT 1000",
            [run.project_id, run.pk, *(bound for _, bounds in ranges for bound in bounds)],
        )
        for (path,) in rows:
            namespaces += [parent for parent in parents(path) if parent in some]
    return namespaces
