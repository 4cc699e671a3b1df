"""Searches answered from memory give what the database and the model give, whatever changes in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count, pairwise

import pytest
from django.db import transaction
from django.utils import timezone

from projects.models import Project
from runs.models import AttributeDefinition, AttributeKind, Run
from runs.models.run import GONE
from runs.operations import (
    AddTags,
    AppendFloats,
    AppendStrings,
    AssignValue,
    BatchIdentity,
    ClearSeries,
    DeleteAttribute,
    Operation,
    RemoveTags,
)
from runs.query import Aggregate, parse
from runs.selectors import search as searching
from runs.selectors.ordering import Sort
from runs.selectors.search import Found, Search, search_runs
from runs.selectors.vectors import answers
from runs.selectors.vectors import table as tables
from runs.selectors.vectors.columns import TextColumn, TextKey
from runs.selectors.vectors.reading import Rows, indexed_texts
from runs.series import flush_pending, store
from runs.services.ingest import apply_operations
from runs.services.purging import purge_trash
from runs.services.runs import create_run, restore_runs, trash_runs
from tests.runs.selectors.table import START, Table

pytestmark = pytest.mark.django_db(transaction=True)

HELD = ("sys/creation_time", "sys/id", "f", "mixed", "loss", "text", "flag", "when", "sys/tags", "lines", "nothing")


@pytest.fixture(autouse=True, params=["few change", "many change"])
def _from_few_runs_on(request, monkeypatch):
    monkeypatch.setattr(answers, "MIN_RUNS", 1)
    if request.param == "many change":
        monkeypatch.setattr(tables, "MANY_CHANGED", 0)


@pytest.fixture
def table(project: Project) -> Table:
    made = Table(project, seed=11)
    made.add(60)
    made.project.refresh_from_db()
    return made


@pytest.fixture
def remembered(monkeypatch) -> Callable[[Project, Search], Found]:
    """A search that is answered from memory, and fails if it is not."""
    held: list[bool] = []
    asked = answers.answer_from_memory

    def noting(*args, **kwargs):
        answer = asked(*args, **kwargs)
        held.append(answer is not None)
        return answer

    monkeypatch.setattr(searching, "answer_from_memory", noting)

    def search(project: Project, wanted: Search, *, limit: int = 1000, **place) -> Found:
        for _ in range(2):
            held.clear()
            found = search_runs(project, wanted, limit=limit, **place)
            if held == [True]:
                return found
        raise AssertionError("answered by the database")

    return search


def from_database(project: Project, wanted: Search) -> Found:
    with transaction.atomic():  # where nothing is answered from memory
        return search_runs(project, wanted, limit=1000)


def test_filter_order_pages_and_count_are_those_of_the_model(table: Table, remembered):
    for _ in range(150):
        change = table.random.random()
        if change < 0.1:
            table.add(3)
        elif change < 0.6:
            for line in table.random.sample(list(table.lines.values()), 3):
                table.fill(line, table.random.sample(["f", "mixed", "loss", "text", "sys/tags", "when"], 2))
        query, sort = table.query(), table.sort()
        if sort.path not in HELD:
            continue
        expected = table.expected(query, sort)
        wanted = Search(query, sort)
        found = remembered(table.project, wanted)
        assert (found.run_ids, found.total, found.next_cursor) == (expected, len(expected), ""), (query, sort)
        size, pages, cursor = table.random.choice([1, 7, 19]), [], ""
        while True:
            page = remembered(table.project, wanted, limit=size, cursor=cursor)
            pages += page.run_ids
            cursor = page.next_cursor
            if not cursor:
                break
        assert pages == expected, (query, sort)
        uncounted = remembered(table.project, wanted, limit=7, offset=5, with_total=False)
        assert (uncounted.run_ids, uncounted.total) == (expected[5:12], -1)


def test_a_place_leads_on_whether_memory_or_the_database_answers(table: Table, remembered):
    for path in HELD:
        wanted = Search(parse("NOT f = 0.5"), Sort(path, is_descending=table.random.random() < 0.5))
        expected = from_database(table.project, wanted).run_ids
        held = remembered(table.project, wanted, limit=13)
        with transaction.atomic():
            rest = search_runs(table.project, wanted, limit=1000, cursor=held.next_cursor).run_ids
        assert held.run_ids + rest == expected
        with transaction.atomic():
            cursor = search_runs(table.project, wanted, limit=21).next_cursor
        assert remembered(table.project, wanted, cursor=cursor).run_ids == expected[21:]


FLOATS, STRING = AttributeKind.FLOAT, AttributeKind.STRING
DIGESTS = count(1)
WANTED = (
    Search(parse("lr >= 0.5 AND name != 'other'"), Sort("metrics/loss", is_descending=False)),
    Search(parse("max(metrics/loss:floatSeries) > 1 OR sys/tags CONTAINS 'best'"), Sort("name")),
    Search(sort=Sort("metrics/loss", Aggregate.MINIMUM)),
    Search(parse("lr > 0"), trashed=None, sort=Sort("sys/id")),
)


def log(run: Run, *operations: Operation) -> None:
    apply_operations(run, operations, identity=BatchIdentity(digest=f"{next(DIGESTS):064x}"))


def points(*values: float) -> AppendFloats:
    steps, times = [float(i) for i in range(len(values))], [1_790_000_000_000 + i for i in range(len(values))]
    return AppendFloats(path="metrics/loss", values=list(values), steps=steps, timestamps=times)


def test_whatever_is_logged_or_removed_is_seen(project: Project, alice, remembered, settings):
    settings.TRASH_DAYS = 1
    runs = [create_run(project=project, owner=alice, name=f"run {i}")[0] for i in range(4)]

    def check() -> list[Found]:
        project.refresh_from_db()
        found = [remembered(project, wanted) for wanted in WANTED]
        assert found == [from_database(project, wanted) for wanted in WANTED]
        return found

    steps: list[Callable[[], object]] = [
        lambda: [log(run, AssignValue(path="lr", kind=FLOATS, value=i / 2)) for i, run in enumerate(runs)],
        lambda: [log(run, AssignValue(path="name", kind=STRING, value=f"n{i % 2}")) for i, run in enumerate(runs)],
        lambda: [log(run, points(3.0 - i, 2.0 * i)) for i, run in enumerate(runs)],
        lambda: [store.flush(run.pk) for run in runs],
        lambda: log(runs[1], AddTags(path="sys/tags", tags=("best", "new"))),
        lambda: log(runs[2], AssignValue(path="name", kind=STRING, value="other")),
        lambda: log(runs[1], RemoveTags(path="sys/tags", tags=("best",))),
        lambda: log(runs[3], ClearSeries(path="metrics/loss", kind=AttributeKind.FLOAT_SERIES)),
        lambda: log(runs[3], points(7.0)),
        lambda: store.flush(runs[3].pk),
        lambda: log(runs[0], DeleteAttribute(path="metrics/loss")),
        lambda: trash_runs(Run.objects.filter(pk=runs[2].pk)),
        lambda: restore_runs(Run.objects.filter(pk=runs[2].pk)),
        lambda: create_run(project=project, owner=alice, name="late"),
        lambda: trash_runs(Run.objects.filter(pk__in=[runs[0].pk, runs[2].pk])),
        lambda: Run.objects.filter(pk=runs[0].pk).update(trashed_at=START - timedelta(days=400)),
        lambda: purge_trash(),
        lambda: log(runs[1], AssignValue(path="lr", kind=FLOATS, value=float("nan"))),
    ]
    seen = [check()]
    for step in steps:
        step()
        seen.append(check())
    assert sum(before != after for before, after in pairwise(seen)) >= 10  # most of the steps change an answer


def test_a_run_that_is_being_purged_is_not_seen_and_harms_no_other(table: Table, remembered):
    wanted = Search(parse("NOT f = 0.5"), Sort("sys/id"))
    before = remembered(table.project, wanted).run_ids
    gone = before[len(before) // 2]
    Run.objects.filter(pk=gone).update(kind=GONE, values_changed_at=timezone.now())
    for _ in ("in what is held", "and read anew"):
        found = remembered(table.project, wanted)
        assert found.run_ids == [pk for pk in before if pk != gone] == from_database(table.project, wanted).run_ids
        searching.forget_searches()


@pytest.mark.parametrize("texts", [[None], [None, "a"], ["a" * 300, "b"]], ids=["none", "some", "long"])
def test_what_the_index_of_texts_lacks_is_read_from_the_table(project: Project, alice, texts):
    runs = [create_run(project=project, owner=alice)[0] for _ in texts]
    for run, text in zip(runs, texts, strict=True):
        write: Operation = ClearSeries(path="t", kind=AttributeKind.STRING_SERIES)
        if text is not None:
            write = AppendStrings(path="t", values=[text], steps=[None], timestamps=[1])
        assert not apply_operations(run, [write], identity=BatchIdentity()).errors
    flush_pending()
    definition = AttributeDefinition.objects.get(path="t")
    column = TextColumn(TextKey(definition.pk))
    held = column.read(None)
    expected = column.read([run.pk for run in runs])
    assert indexed_texts(definition.pk) is None
    assert as_rows(held) == as_rows(expected)
    assert len(expected.run_ids) == len(runs)


def as_rows(rows: Rows) -> list[tuple[object, ...]]:
    return sorted(zip(rows.run_ids.tolist(), *(part.tolist() for part in rows.parts), strict=True), key=str)


def test_a_run_saved_in_the_admin_is_seen(project: Project, alice, remembered):
    run, _ = create_run(project=project, owner=alice)
    apply_operations(
        run, [AssignValue(path="lr", kind=FLOATS, value=1.0)], identity=BatchIdentity(digest=f"{next(DIGESTS):064x}")
    )
    project.refresh_from_db()
    wanted = Search(parse("lr = 1"))
    assert remembered(project, wanted).run_ids == [run.pk]
    run.refresh_from_db()
    run.trashed_at = timezone.now()
    run.save()
    assert remembered(project, wanted).run_ids == []


def test_what_is_held_keeps_to_its_room(table: Table, remembered, settings):
    texts = ("f > 0", "loss > 0", "mixed > 0", "when:datetime != 2026-01-01")
    for text in texts:
        remembered(table.project, Search(parse(text)))
    (held,) = answers._tables.values()
    columns, size = list(held.columns), held.size_bytes
    settings.TABLE_MEMORY_MB = (size - 1) / 2**20

    wanted = Search(parse(texts[0]))
    assert remembered(table.project, wanted).total == from_database(table.project, wanted).total

    assert held.size_bytes < size
    assert columns[0] in held.columns  # was just used
    assert columns[1] not in held.columns  # was not used for the longest time


def test_nothing_is_held_without_room(table: Table, remembered, settings):
    settings.TABLE_MEMORY_MB = 0
    with pytest.raises(AssertionError, match="by the database"):
        remembered(table.project, Search(parse("f > 0")))
    assert not answers._tables


def test_an_answer_takes_a_query_for_what_changed_and_one_for_each_column(
    table: Table, remembered, django_assert_num_queries
):
    wanted = Search(parse("f > 0 AND loss < 1 AND NOT sys/tags CONTAINS 'red'"), Sort("text"))
    for _ in range(2):  # after a look that found many, the next one reads them again
        remembered(table.project, wanted)
    with django_assert_num_queries(2):  # the definitions, and what, or whether anything, changed
        remembered(table.project, wanted)
    for line in list(table.lines.values())[:20]:
        table.fill(line, ["f", "loss", "text", "sys/tags"])
    with django_assert_num_queries(6 if tables.MANY_CHANGED else 7):
        remembered(table.project, wanted)


def test_what_an_index_answers_or_changes_all_the_time_is_left_to_the_database(table: Table, remembered):
    left = [Search(), Search(sort=Sort("f")), Search(parse("sys/size > 1")), Search(parse("sys/state = running"))]
    for wanted in [*left, Search(parse("f > 0"), text="TUT"), Search(parse("f > 0"), Sort("sys/size"))]:
        with pytest.raises(AssertionError, match="by the database"):
            remembered(table.project, wanted)
