import numpy as np
import pytest

from runs.models import AttributeKind
from runs.operations import AppendFloats, AppendStrings, AssignValue, BatchIdentity, DeleteAttribute
from runs.services.ingest import apply_operations
from tests.api.conftest import refused


def log_floats(run, path, values, first_step=0):
    steps = [float(first_step + n) for n in range(len(values))]
    times = [1_700_000_000_000 + 1000 * (first_step + n) for n in range(len(values))]
    operation = AppendFloats(path=path, values=values, steps=steps, timestamps=times)
    assert not apply_operations(run, [operation], identity=BatchIdentity()).errors


@pytest.fixture
def read(api, run):
    """The series that a query gives."""

    def get(query: str):
        response = api.get(f"runs/{run.uuid}/series/?{query}")
        assert response.status_code == 200, response.content
        return response.json()["series"]

    return get


def test_a_short_series_is_read_exactly(read, run):
    log_floats(run, "loss", [1.0, float("nan"), float("inf")])
    (series,) = read("path=loss")
    assert (series["path"], series["total"], series["is_exact"]) == ("loss", 3, True)
    assert (series["steps"], series["values"]) == ([0, 1, 2], [1, "NaN", "Infinity"])
    assert series["timestamps"] == [1_700_000_000_000, 1_700_000_001_000, 1_700_000_002_000]


def test_a_long_series_keeps_its_ends_and_extremes(read, run):
    values = np.sin(np.arange(5000.0)).tolist()
    values[1234], values[4321] = 99.0, -99.0
    log_floats(run, "loss", values)
    (series,) = read("path=loss&max_points=100")
    assert len(series["steps"]) <= 100
    assert (series["total"], series["is_exact"]) == (5000, False)
    assert (series["steps"][0], series["steps"][-1]) == (0, 4999)
    assert {99.0, -99.0} <= set(series["values"])


def test_a_range_shows_more_of_a_part(read, run):
    log_floats(run, "loss", [float(n) for n in range(5000)])
    (series,) = read("path=loss&max_points=100&from=1000&to=1049")
    assert (series["steps"], series["is_exact"]) == ([float(n) for n in range(1000, 1050)], True)
    (series,) = read("path=loss&axis=time&from=1700000002000&to=1700000003000")
    assert series["steps"] == [2, 3]


def test_several_series_come_in_the_order_asked_for_and_others_are_left_out(read, run):
    log_floats(run, "a", [1.0])
    log_floats(run, "b", [2.0])
    apply_operations(run, [AssignValue(path="c", kind=AttributeKind.INT, value=1)], identity=BatchIdentity())
    assert [series["path"] for series in read("path=b&path=c&path=absent&path=a")] == ["b", "a"]


def test_what_is_added_later_is_read_by_the_cursor(read, run):
    log_floats(run, "a", [1.0, 2.0])
    log_floats(run, "b", [1.0])
    first, second = read("path=a&path=b")
    query = f"path=a&cursor={first['cursor']}&path=b&cursor={second['cursor']}"
    assert [(each["values"], each["reset"]) for each in read(query)] == [([], False), ([], False)]
    log_floats(run, "a", [3.0, 4.0], first_step=2)
    tail = read(query)[0]
    assert (tail["steps"], tail["values"], tail["reset"]) == ([2, 3], [3, 4], False)
    (nothing,) = read(f"path=a&cursor={tail['cursor']}")
    assert nothing["values"] == []


def test_a_change_of_what_was_read_asks_to_read_again(read, run):
    log_floats(run, "a", [1.0, 2.0])
    cursor = read("path=a")[0]["cursor"]
    log_floats(run, "a", [9.0])
    assert read(f"path=a&cursor={cursor}")[0]["reset"] is True
    apply_operations(run, [DeleteAttribute(path="a")], identity=BatchIdentity())
    assert read(f"path=a&cursor={cursor}")[0]["reset"] is True


@pytest.mark.parametrize(
    "query",
    [
        "",
        "path=",
        "path=%00",
        "path=a&max_points=0",
        "path=a&max_points=2001",
        "path=a&axis=colour",
        "path=a&from=NaN",
        "path=a&from=inf",
        "path=a&to=x",
        "path=a&cursor=x&cursor=y",
        "&".join(["path=a"] * 101),
        "path=a&smooth=1",
    ],
)
def test_faulty_parameters_are_refused(api, run, query):
    refused(api.get(f"runs/{run.uuid}/series/?{query}"), 400, "invalid")


@pytest.mark.parametrize("cursor", ["x", "é", "A" * 43 + "=", "A" * 3000, "____", "0"])
def test_a_cursor_that_is_none_asks_to_read_again(read, run, cursor):
    log_floats(run, "a", [1.0])
    assert read(f"path=a&cursor={cursor}")[0]["reset"] is True


def test_a_chart_costs_the_same_number_of_queries_however_many_series(api, run, django_assert_max_num_queries):
    for n in range(30):
        log_floats(run, f"m/{n}", [1.0, 2.0])
    query = "&".join(f"path=m/{n}" for n in range(30))
    with django_assert_max_num_queries(16):
        assert len(api.get(f"runs/{run.uuid}/series/?{query}").json()["series"]) == 30


def test_lines_of_text_are_read_from_either_end(api, run):
    lines = [f"line {n}" for n in range(10)]
    operation = AppendStrings(path="out", values=lines, steps=[None] * 10, timestamps=[1000 + n for n in range(10)])
    apply_operations(run, [operation], identity=BatchIdentity())
    address = f"runs/{run.uuid}/strings/?path=out"
    answer = api.get(f"{address}&offset=2&limit=2").json()
    assert answer["total"] == 10
    assert answer["lines"][0] == {"step": 2, "timestamp": 1002, "value": "line 2"}
    assert [line["value"] for line in api.get(f"{address}&offset=-2").json()["lines"]] == ["line 8", "line 9"]
    assert api.get(f"{address}&offset=1000").json()["lines"] == []


@pytest.mark.parametrize(
    "query", ["", "path=out&offset=x", "path=out&limit=1001", "path=out&offset=9999999999999999999"]
)
def test_faulty_parameters_of_lines_are_refused(api, run, query):
    refused(api.get(f"runs/{run.uuid}/strings/?{query}"), 400, "invalid")


def test_lines_that_are_not_there_are_not_found(api, run):
    refused(api.get(f"runs/{run.uuid}/strings/?path=absent"), 404, "not_found")
