"""Tables of runs on the Neptune wire."""

from __future__ import annotations

import pytest

from runs.models import Run
from runs.series import store
from tests.compat.neptune.conftest import BOARD

ENTRIES = f"{BOARD}/leaderboard/entries/search"
NAMES = f"{BOARD}/leaderboard/attributes/search"
PROJECT = {"projectIdentifier": "lab/tutorial"}


@pytest.fixture
def table(wire):
    """Three runs with a number, a text and tags; TUT-3 is in the trash."""
    for number, loss in enumerate([0.3, 0.1, 0.2], start=1):
        run = wire.create_run()["id"]
        wire.log(
            run,
            {"path": "lr", "assignFloat": {"value": loss}},
            {"path": "name", "assignString": {"value": f"run {number}"}},
            {"path": "good", "assignBool": {"value": number == 1}},
            {"path": "sys/tags", "insertStrings": {"values": ["all", f"t{number}"]}},
            {"path": "loss", "logFloats": {"entries": [{"value": loss, "timestampMilliseconds": number}]}},
        )
        store.flush(Run.objects.get(uuid=run).pk)
    wire.post(f"{BOARD}/experiments/trash", ["lab/tutorial/TUT-3"], **PROJECT)
    return wire


def search(wire, query=None, **parameters):
    body = {**parameters, **({} if query is None else {"query": {"query": query}})}
    answer = wire.post(ENTRIES, body, **PROJECT, type=["run"])
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(answer):
    return [
        next(each["stringProperties"]["value"] for each in entry["attributes"] if each["name"] == "sys/id")
        for entry in answer["entries"]
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["TUT-3", "TUT-2", "TUT-1"]),
        ("(`sys/trashed`:bool = false)", ["TUT-2", "TUT-1"]),
        ("((`sys/trashed`:bool = true))", ["TUT-3"]),
        ('((`sys/trashed`:bool = false) AND ((`sys/id`:string = "TUT-1") OR (`sys/id`:string = "TUT-3")))', ["TUT-1"]),
        ('(`sys/tags`:stringSet CONTAINS "t2")', ["TUT-2"]),
        ('(`sys/tags`:stringSet NOT CONTAINS "t2")', ["TUT-3", "TUT-1"]),
        ('((`sys/owner`:string = "bob"))', ["TUT-3", "TUT-2", "TUT-1"]),
        ('(`sys/owner`:string = "alice")', []),
        ('(`sys/state`:experimentState = "running")', ["TUT-3", "TUT-2", "TUT-1"]),
        ("lr > 0.15 AND lr:float <= 0.3", ["TUT-3", "TUT-1"]),
        ("NOT (lr:float = 0.1)", ["TUT-3", "TUT-1"]),
        ("lr:float != 0.1", ["TUT-3", "TUT-1"]),
        ("none:float != 0.1", []),
        ("lr:string = '0.1'", []),
        ("`good`:bool = true", ["TUT-1"]),
        ("name CONTAINS 'n 2'", ["TUT-2"]),
        ("loss:floatSeries < 0.25", ["TUT-3", "TUT-2"]),
        ("sys/creation_time:datetime > '2020-01-01T00:00:00Z'", ["TUT-3", "TUT-2", "TUT-1"]),
        ("sys/size:float > 1e9", []),
    ],
)
def test_a_query_keeps_the_runs_it_describes(table, query, expected):
    answer = search(table, query)
    assert ids(answer) == expected
    assert answer["matchingItemCount"] == len(expected)


@pytest.mark.parametrize(
    "query",
    [
        "key: float = (-_-)",
        "a = 1 OR",
        "lr:float = x",
        "lr:none = 1",
        "lr:float CONTAINS 1",
        "\x00",
        "sys/size CONTAINS 1",
    ],
)
def test_a_query_that_is_none_has_the_title_that_the_client_looks_for(table, query):
    answer = table.post(ENTRIES, {"query": {"query": query}}, **PROJECT)
    assert answer.status_code == 400
    assert answer.json()["title"] == "Syntax error"


@pytest.mark.parametrize(
    ("name", "kind", "direction", "expected"),
    [
        ("sys/creation_time", "datetime", "ascending", ["TUT-1", "TUT-2", "TUT-3"]),
        ("sys/id", "string", "descending", ["TUT-3", "TUT-2", "TUT-1"]),
        ("lr", "float", "ascending", ["TUT-2", "TUT-3", "TUT-1"]),
        ("loss", "floatSeries", "descending", ["TUT-1", "TUT-3", "TUT-2"]),
        ("name", "string", "ascending", ["TUT-1", "TUT-2", "TUT-3"]),
        ("none", "float", "ascending", ["TUT-1", "TUT-2", "TUT-3"]),
    ],
)
def test_runs_are_sorted_as_asked(table, name, kind, direction, expected):
    answer = search(table, "", sorting={"dir": direction, "sortBy": {"name": name, "type": kind}})
    assert ids(answer) == expected


def test_pages_end_with_an_empty_one_and_the_count_is_of_all(table):
    pages = [search(table, pagination={"limit": 2, "offset": offset}) for offset in (0, 2, 4)]
    assert [len(page["entries"]) for page in pages] == [2, 1, 0]
    assert {page["matchingItemCount"] for page in pages} == {3}
    assert search(table, pagination={"limit": 0, "offset": 0})["entries"] == []


def test_only_the_columns_asked_for_are_answered(table):
    (entry, *_) = search(table, attributeFilters=[{"path": "sys/id"}, {"path": "loss"}, {"path": "none"}])["entries"]
    assert {each["name"] for each in entry["attributes"]} == {"sys/id", "loss"}
    assert entry["type"] == "run"
    assert entry["organizationName"] == "lab"


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"query": {"query": 5}}', b'{"pagination": {"limit": -1}}', b'{"pagination": {"limit": "x"}}'],
)
def test_parameters_that_make_no_sense_are_refused(table, body):
    assert table.post(ENTRIES, body, **PROJECT).status_code == 400


def test_column_names_are_found_with_their_types(table):
    answer = table.post(NAMES, {}, **PROJECT, search="sys/creation_time", type=["run"]).json()
    assert answer["entries"] == [{"name": "sys/creation_time", "type": "datetime"}]
    found = table.post(NAMES, {}, **PROJECT, search="l").json()["entries"]
    assert {"name": "lr", "type": "float"} in found
    assert {"name": "loss", "type": "floatSeries"} in found
    assert table.post(NAMES, {}, **PROJECT, search="sys/state").json()["entries"] == [
        {"name": "sys/state", "type": "experimentState"}
    ]


def test_a_table_of_others_is_not_there(table, wire_of, charlie):
    outsider = wire_of(charlie)
    assert outsider.post(ENTRIES, {}, **PROJECT).status_code == 404
    assert outsider.post(NAMES, {}, **PROJECT).status_code == 404
