from datetime import UTC, datetime

import pytest

from runs.models import AttributeKind
from runs.operations import (
    AddTags,
    AppendFloats,
    AppendStrings,
    AssignGitRef,
    AssignValue,
    BatchIdentity,
    ConfigureSeries,
)
from runs.services.ingest import apply_operations
from tests.api.conftest import refused


@pytest.fixture
def logged(run):
    """One attribute of many kinds."""
    kinds = AttributeKind
    operations = [
        AssignValue(path="values/float", kind=kinds.FLOAT, value=float("inf")),
        AssignValue(path="values/int", kind=kinds.INT, value=2**62 + 1),
        AssignValue(path="values/bool", kind=kinds.BOOL, value=True),
        AssignValue(path="values/text", kind=kinds.STRING, value="long " * 100),
        AssignValue(path="values/time", kind=kinds.DATETIME, value=datetime(2026, 1, 31, 12, tzinfo=UTC)),
        AddTags(path="sys/tags", tags=["b", "a"]),
        AssignGitRef(path="source_code/git", reference={"branch": "main", "is_dirty": False}),
        AppendFloats(
            path="metrics/loss", values=[1.0, float("nan"), 0.5], steps=[0, 1, 2], timestamps=[1000, 2000, 3000]
        ),
        ConfigureSeries(path="metrics/loss", minimum=0.0, maximum=2.0, unit="nats"),
        AppendStrings(path="monitoring/stdout", values=["a", "b"], steps=[None, None], timestamps=[1000, 2000]),
    ]
    assert not apply_operations(run, operations, identity=BatchIdentity()).errors
    return run


def test_values_of_every_kind_are_read_as_logged(api, logged):
    found = {each["path"]: each for each in api.get(f"runs/{logged.uuid}/attributes/").json()["results"]}
    assert found["values/float"] == {"path": "values/float", "kind": "float", "value": "Infinity"}
    assert found["values/int"]["value"] == 2**62 + 1
    assert found["values/bool"]["value"] is True
    assert found["values/text"]["value"] == "long " * 100
    assert found["values/time"]["value"] == "2026-01-31T12:00:00Z"
    assert found["sys/tags"]["value"] == ["a", "b"]
    assert found["source_code/git"]["value"]["branch"] == "main"
    assert found["monitoring/stdout"]["value"] == "b"
    assert found["sys/state"]["kind"] == "run_state"


def test_a_series_is_summarised(api, logged):
    answer = api.get(f"runs/{logged.uuid}/attributes/?path=metrics/loss").json()["results"]
    assert answer == [
        {
            "path": "metrics/loss",
            "kind": "float_series",
            "value": 0.5,
            "count": 3,
            "last_step": 2.0,
            "last_timestamp": 3000,
            "minimum": 0.5,
            "maximum": 1.0,
            "mean": 0.75,
            "variance": 0.0625,
            "unit": "nats",
            "range_minimum": 0.0,
            "range_maximum": 2.0,
        }
    ]


def test_the_list_is_narrowed_by_namespace_and_text(api, logged):
    def paths(query: str) -> list[str]:
        return [each["path"] for each in api.get(f"runs/{logged.uuid}/attributes/?{query}").json()["results"]]

    assert paths("prefix=metrics") == ["metrics/loss"] == paths("prefix=metrics/")
    assert paths("search=LOSS") == ["metrics/loss"]
    assert paths("prefix=metric") == []
    assert paths("path=values/int&path=absent") == ["values/int"]


def test_the_list_is_read_page_by_page(api, logged):
    whole = [each["path"] for each in api.get(f"runs/{logged.uuid}/attributes/").json()["results"]]
    seen, cursor = [], ""
    while cursor is not None:
        answer = api.get(f"runs/{logged.uuid}/attributes/?limit=4&cursor={cursor}").json()
        seen += [each["path"] for each in answer["results"]]
        cursor = answer["next"]
    assert seen == whole == sorted(whole)


def test_the_list_costs_the_same_number_of_queries_however_long(api, run, django_assert_max_num_queries):
    operations = [AssignValue(path=f"p/{n:04}", kind=AttributeKind.INT, value=n) for n in range(500)]
    apply_operations(run, operations, identity=BatchIdentity())
    with django_assert_max_num_queries(10):
        assert len(api.get(f"runs/{run.uuid}/attributes/?prefix=p&limit=1000").json()["results"]) == 500


def test_the_catalogue_of_a_project_lists_paths_and_kinds(api, logged):
    base = "projects/lab/tutorial/attributes/"
    found = {(each["path"], each["kind"]) for each in api.get(base).json()["results"]}
    assert {("metrics/loss", "float_series"), ("values/int", "int")} <= found
    assert [each["path"] for each in api.get(f"{base}?kind=float_series").json()["results"]] == ["metrics/loss"]
    assert [each["path"] for each in api.get(f"{base}?search=STDOUT").json()["results"]] == ["monitoring/stdout"]
    first = api.get(f"{base}?limit=2").json()
    second = api.get(f"{base}?limit=2&cursor={first['next']}").json()
    assert first["results"] + second["results"] == api.get(f"{base}?limit=4").json()["results"]


@pytest.mark.parametrize("query", ["cursor=x", "limit=0", "prefix=%00", "path=%00", "search=" + "x" * 257, "kind=x"])
def test_faulty_parameters_are_refused(api, run, query):
    answer = refused(
        api.get(f"runs/{run.uuid}/attributes/?{query}"), 400, "bad_cursor" if "cursor" in query else "invalid"
    )
    assert answer["field"].split(".")[0] == query.split("=")[0]


def test_a_cursor_of_another_list_is_refused(api, logged):
    cursor = api.get("projects/lab/tutorial/attributes/?limit=1").json()["next"]
    refused(api.get(f"runs/{logged.uuid}/attributes/?cursor={cursor}"), 400, "bad_cursor")
