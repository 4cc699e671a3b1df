"""Finding, sorting and paging runs: the one way in for tables of every interface."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from threading import Lock

from cachetools import TTLCache

from projects.models import Project, User
from projects.rows import AnyModel, ModelRows, fetch
from runs.models import ContainerKind, Run
from runs.query import EVERYTHING, Query
from runs.selectors.compiled import Scope, Sql, rows_of
from runs.selectors.conditions import ALWAYS, Definitions, bind, load_definitions, paths_in
from runs.selectors.ordering import (
    NEWEST_FIRST,
    Key,
    Place,
    Sort,
    bind_sort,
    count_runs,
    decode_place,
    encode_place,
    read_places,
)
from runs.selectors.vectors import answer_from_memory, forget_vectors
from runs.series.sql import among

_COUNTS_SECONDS = 60.0  # after which a count is made anew, should rows have gone by other ways than the trash
_OFFSETS_SECONDS = 120.0
_NAME_PATHS = ("sys/name",)
_RUN_ROWS = ModelRows(Run, "found")
_OWNER_ROWS = ModelRows(User, "found")
_TAG_PATHS = ("sys/tags", "sys/group_tags")

_lock = Lock()
_counts: TTLCache[tuple[object, ...], int] = TTLCache(maxsize=1000, ttl=_COUNTS_SECONDS)
_offsets: TTLCache[tuple[object, ...], Place] = TTLCache(maxsize=1000, ttl=_OFFSETS_SECONDS)


@dataclass(frozen=True, slots=True)
class Search:
    """Which runs of a project, in which order. `trashed` None asks for those in the trash and the others alike; `text`
    is looked for in ids, names and tags, in any case."""

    query: Query = EVERYTHING
    sort: Sort = NEWEST_FIRST
    text: str = ""
    trashed: bool | None = False
    kinds: tuple[ContainerKind, ...] = (ContainerKind.RUN,)

    def paths(self) -> set[str]:
        """The paths whose definitions have to be known."""
        found = {*paths_in(self.query), self.sort.path}
        return found | {*_NAME_PATHS, *_TAG_PATHS} if self.text else found


@dataclass(frozen=True, slots=True)
class Found:
    """A page of run ids in order. `next_cursor` is empty on the last one; `total` counts all that match, -1 if that was
    not asked for."""

    run_ids: list[int]
    next_cursor: str
    total: int


def search_runs(
    project: Project,
    search: Search,
    *,
    limit: int,
    cursor: str = "",
    offset: int | None = None,
    with_total: bool = True,
    definitions: Definitions | None = None,
) -> Found:
    """A page of the runs that match.

    The page begins behind `cursor`, or after `offset` runs: who pages so goes on from where the last page ended, as
    long as this process remembers that place. `definitions` are those of `search.paths()`, for callers that have them.
    A constant number of queries: at most one for the definitions, four for the page and two for the count; a project
    with many runs may be answered from memory (runs/selectors/vectors/). Raises QuerySyntaxError, and InvalidInput for
    a bad cursor.
    """
    if definitions is None:
        definitions = load_definitions(project.pk, search.paths())
    scope = _scope(project, search, definitions)
    key = bind_sort(search.sort, definitions.get(search.sort.path, ()))
    after = decode_place(cursor, search.sort) if cursor else _place_at(scope, key, offset)
    skipped = offset or 0 if after is None else 0
    held = answer_from_memory(project, scope, key, after=after, offset=skipped, limit=limit + 1 if limit else 0)
    if held is not None:
        places, total = held.places, held.total if with_total else -1
    else:
        places = read_places(scope, key, after=after, offset=skipped, limit=limit + 1) if limit else []
        total = count(scope) if with_total else -1
    has_more = len(places) > limit > 0
    places = places[:limit]
    if has_more and offset is not None:
        with _lock:
            _offsets[scope, key, offset + limit] = places[-1]
    return Found([place.run_id for place in places], encode_place(places[-1], search.sort) if has_more else "", total)


def forget_searches() -> None:
    """Empty the process's caches; for tests, whose databases are rolled back under them."""
    forget_vectors()
    with _lock:
        _counts.clear()
        _offsets.clear()


def _place_at(scope: Scope, key: Key, offset: int | None) -> Place | None:
    if not offset:
        return None
    with _lock:
        return _offsets.get((scope, key, offset))


def _scope(project: Project, search: Search, definitions: Definitions) -> Scope:
    text = search.text.strip()

    def ids(paths: Sequence[str]) -> tuple[int, ...]:
        return tuple(each.id for path in paths for each in definitions.get(path, ())) if text else ()

    return Scope(
        project.pk,
        search.kinds,
        search.trashed,
        ALWAYS if search.query == EVERYTHING else bind(search.query, definitions),
        text,
        ids(_NAME_PATHS),
        ids(_TAG_PATHS),
    )


def count(scope: Scope) -> int:
    """How many runs match; for all of a project's runs it is remembered until one is made or the trash changes."""
    if not scope.is_plain:
        return count_runs(scope)
    statement = (
        "SELECT p.last_run_number, t.number, t.ids FROM projects_project p CROSS JOIN"
        f" (SELECT count(*) AS number, sum(id) AS ids FROM runs_run WHERE project_id = {scope.project_id:d}"
        f" AND trashed_at IS NOT NULL) t WHERE p.id = {scope.project_id:d}"
    )
    key = (scope.project_id, scope.kinds, scope.trashed, *rows_of(Sql(statement)))
    with _lock:
        known = _counts.get(key)
    if known is None:
        known = count_runs(scope)
        with _lock:
            _counts[key] = known
    return known


def load_runs(run_ids: Sequence[int]) -> list[Run]:
    """The runs in this order, with their owners; those that are gone meanwhile are left out. Two queries."""
    found = _read(_RUN_ROWS, run_ids)
    owners = _read(_OWNER_ROWS, {run.owner_id for run in found.values() if run.owner_id is not None})
    for run in found.values():
        if run.owner_id is not None:
            run.owner = owners.get(run.owner_id)
    return [found[pk] for pk in run_ids if pk in found]


def _read(rows: ModelRows[AnyModel], ids: Collection[int]) -> dict[int, AnyModel]:
    """What is there of the ids, by id."""
    condition, parameter = among("found.id", ids)
    statement = f"SELECT {rows.columns} FROM {rows.table} AS found WHERE {condition}"
    return {each.pk: each for each in map(rows.make, fetch(statement, [parameter]))} if ids else {}
