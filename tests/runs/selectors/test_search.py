from __future__ import annotations

import pytest
from django.utils import timezone

from projects.access import actor_for_user
from projects.exceptions import InvalidInput
from projects.models import Project, User
from projects.services.projects import create_project
from runs.models import Run
from runs.query import EVERYTHING, QuerySyntaxError, parse
from runs.selectors.ordering import Sort
from runs.selectors.search import Search, search_runs
from tests.runs.selectors.table import Table

ROUNDS = 120


@pytest.fixture
def table(project: Project) -> Table:
    made = Table(project, seed=7)
    made.add(60)
    return made


def all_pages(project: Project, search: Search, limit: int) -> list[int]:
    found, cursor = [], ""
    while True:
        page = search_runs(project, search, limit=limit, cursor=cursor)
        found += page.run_ids
        cursor = page.next_cursor
        if not cursor:
            return found


def test_filter_order_pages_and_count_are_those_of_the_model(table: Table):
    for _ in range(ROUNDS):
        query = table.query() if table.random.random() < 0.8 else EVERYTHING
        sort = table.sort()
        search = Search(query, sort)
        expected = table.expected(query, sort)
        first = search_runs(table.project, search, limit=1000)
        assert (first.run_ids, first.total, first.next_cursor) == (expected, len(expected), ""), (query, sort)
        assert all_pages(table.project, search, table.random.choice([1, 7, 19])) == expected, (query, sort)


def test_pages_by_offset_are_those_by_cursor(table: Table):
    for _ in range(20):
        sort = table.sort()
        expected = table.expected(EVERYTHING, sort)
        search = Search(sort=sort)
        by_offset = [
            pk for start in range(0, 70, 9) for pk in search_runs(table.project, search, offset=start, limit=9).run_ids
        ]
        assert by_offset == expected
        assert search_runs(table.project, search, offset=25, limit=10).run_ids == expected[25:35]


def test_the_trash_is_counted_and_listed_apart(table: Table):
    total = search_runs(table.project, Search(), limit=1).total
    assert total == 60
    some = list(table.lines)[:7]
    Run.objects.filter(pk__in=some).update(trashed_at=timezone.now())
    assert search_runs(table.project, Search(), limit=1).total == 53
    inside = search_runs(table.project, Search(trashed=True), limit=100)
    assert (set(inside.run_ids), inside.total) == (set(some), 7)
    assert search_runs(table.project, Search(trashed=None), limit=1).total == 60
    assert search_runs(table.project, Search(parse("sys/trashed:bool = true"), trashed=None), limit=1).total == 7
    Run.objects.filter(pk__in=some[:3]).update(trashed_at=None)
    assert search_runs(table.project, Search(), limit=1).total == 56


def test_a_list_goes_on_where_it_was_when_runs_come_and_go(table: Table):
    sort = Sort("sys/creation_time")
    first = search_runs(table.project, Search(sort=sort), limit=20)
    expected = table.expected(EVERYTHING, sort)[20:]
    table.add(5)
    newer = [run.pk for run in Run.objects.order_by("-pk")[:5]]
    gone = expected.pop(3)
    Run.objects.filter(pk=gone).update(trashed_at=timezone.now())
    rest = search_runs(table.project, Search(sort=sort), limit=1000, cursor=first.next_cursor).run_ids
    assert [pk for pk in rest if pk not in newer] == expected


def test_the_number_of_queries_does_not_grow(table: Table, django_assert_max_num_queries):
    queries = ("", "f > 0 AND text != 'a' AND NOT (loss < 1 OR sys/tags CONTAINS 'red')")
    for text in queries:
        for sort in (Sort("mixed"), Sort("sys/creation_time"), Sort("loss")):
            for limit in (1, 100):
                with django_assert_max_num_queries(7):
                    search_runs(table.project, Search(parse(text), sort), limit=limit)


def test_a_query_at_every_limit_is_answered(table: Table):
    deep = "(" * 30 + "f > 0" + "".join(f" {word} f < {i})" for i, word in enumerate(["AND", "OR"] * 15))
    right = "".join(f"(f < {i} {word} NOT " for i, word in enumerate(["AND", "OR"] * 15)) + "f > 0" + ")" * 30
    wide = [" OR ".join(f"f = {i}" for i in range(1000)), " AND ".join(f"f != {i + 10}" for i in range(300))]
    named = " OR ".join(f"sys/id = 'TUT-{i}'" for i in range(1000))
    mixed = " OR ".join(f"(f = {i} AND NOT loss > {i})" for i in range(400))
    for text in (deep, right, *wide, named, mixed):
        query = parse(text)
        found = search_runs(table.project, Search(query), limit=1000)
        assert found.total == len(found.run_ids)
    assert search_runs(table.project, Search(parse(named)), limit=1000).total == 60


def test_runs_of_other_projects_are_not_found(table: Table, alice: User):
    other_project = create_project(actor=actor_for_user(alice), organization="lab", name="other")
    Table(other_project, seed=1).add(5)
    assert search_runs(table.project, Search(parse("NOT f > 1e9")), limit=100).total <= 60
    assert search_runs(other_project, Search(), limit=100).total == 5


@pytest.mark.parametrize(
    "cursor", ["x", "W10=", "WyJ4IiwwLDEsMV0=", "e30=", "WzEsMiwzLDRd", "\u2028", "bnVsbA==", "W1tbW1tbW1tbW10="]
)
def test_a_cursor_of_no_list_is_refused(table: Table, cursor: str):
    with pytest.raises(InvalidInput):
        search_runs(table.project, Search(), limit=1, cursor=cursor)


def test_a_cursor_belongs_to_its_order(table: Table):
    cursor = search_runs(table.project, Search(sort=Sort("f")), limit=1).next_cursor
    with pytest.raises(InvalidInput):
        search_runs(table.project, Search(sort=Sort("f", is_descending=False)), limit=1, cursor=cursor)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("f > x", 0),
        ("f > 1 AND when:datetime > 5x", 10),
        ("flag:bool = 3", 0),
        ("f:none = 1", 0),
        ("f:gitRef = 1", 0),
        ("min(text:string) > 1", 0),
        ("sys/state = asleep", 0),
        ("sys/size CONTAINS 1", 0),
        ("sys/trashed > true", 0),
        ("sys/tags:stringSet > a", 0),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_position(table: Table, text: str, position: int):
    query = parse(text)
    if ":" not in text and "sys" not in text:
        assert search_runs(table.project, Search(query), limit=1).total == 0
        return
    with pytest.raises(QuerySyntaxError) as raised:
        search_runs(table.project, Search(query), limit=1)
    assert raised.value.position == position
