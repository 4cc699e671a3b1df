"""What is kept of runs that have not changed is what the database has."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cachetools import LRUCache
from django.db import transaction

from projects.models import Project
from runs.models import AttributeKind
from runs.operations import (
    AddTags,
    AppendFloats,
    AssignValue,
    BatchIdentity,
    ClearSeries,
    DeleteAttribute,
    Operation,
    RemoveTags,
)
from runs.selectors import contents
from runs.selectors.runs import RunRow, list_runs
from runs.selectors.search import Search
from runs.series import flush_pending
from runs.services.ingest import apply_operations
from runs.services.runs import create_run

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS = ("f", "loss", "text", "sys/name")


def page(project: Project, columns=COLUMNS, **options) -> list[tuple[object, ...]]:
    def shown(row: RunRow) -> tuple[object, ...]:
        return row.run.pk, row.name, row.tags, {path: repr(cell) for path, cell in row.cells.items()}

    return [shown(row) for row in list_runs(project, Search(), columns=columns, limit=100, **options).rows]


def change(chance: random.Random) -> Operation:
    value = chance.random()
    return chance.choice(
        [
            AssignValue(path="f", kind=AttributeKind.FLOAT, value=value),
            AssignValue(path="text", kind=AttributeKind.STRING, value=str(value)),
            AssignValue(path="sys/name", kind=AttributeKind.STRING, value=f"run {value}"),
            AppendFloats(path="loss", values=[value], steps=[None], timestamps=[1_700_000_000_000]),
            ClearSeries(path="loss", kind=AttributeKind.FLOAT_SERIES),
            AddTags(path="sys/tags", tags=(chance.choice("abc"),)),
            RemoveTags(path="sys/tags", tags=(chance.choice("abc"),)),
            DeleteAttribute(path=chance.choice(["f", "loss", "text"])),
        ]
    )


def test_a_page_shows_every_change(project: Project):
    chance = random.Random(7)  # noqa: S311 - reproducible
    runs = [create_run(project=project, owner=None)[0] for _ in range(6)]
    for _ in range(120):
        apply_operations(chance.choice(runs), [change(chance)], identity=BatchIdentity())
        if chance.random() < 0.5:
            flush_pending()
        for options in ({}, {"with_statistics": False}, {"columns": ("f",)}):
            shown = page(project, **options)
            with transaction.atomic():  # where nothing is kept
                assert page(project, **options) == shown


def test_a_page_that_was_read_costs_no_cells_and_tags(project: Project, django_assert_num_queries):
    for _ in range(3):
        run, _ = create_run(project=project, owner=None)
        value = AssignValue(path="f", kind=AttributeKind.FLOAT, value=1.0)
        apply_operations(run, [value, AddTags(path="sys/tags", tags=("a",))], identity=BatchIdentity())
    with django_assert_num_queries(5):
        first = page(project, with_total=False)
    with django_assert_num_queries(3):
        assert page(project, with_total=False) == first
    apply_operations(run, [AddTags(path="sys/tags", tags=("b",))], identity=BatchIdentity())
    with django_assert_num_queries(5):
        assert page(project, with_total=False) != first


def test_nothing_of_a_transaction_is_kept(project: Project):
    run, _ = create_run(project=project, owner=None)
    before = page(project)
    with transaction.atomic():
        apply_operations(run, [AddTags(path="sys/tags", tags=("a",))], identity=BatchIdentity())
        assert page(project) != before
        transaction.set_rollback(True)
    assert page(project) == before


def test_no_more_is_kept_than_there_is_room_for(project: Project, monkeypatch):
    kept: LRUCache[Any, Any] = LRUCache(20, getsizeof=lambda entry: 4 + len(entry[1].cells))
    monkeypatch.setattr(contents, "_kept", kept)
    for _ in range(9):
        run, _ = create_run(project=project, owner=None)
        apply_operations(run, [AssignValue(path="f", kind=AttributeKind.FLOAT, value=1.0)], identity=BatchIdentity())
        assert len(page(project)) == len(page(project))
        assert 0 < kept.currsize <= 20
    assert 0 < len(kept) < 9
