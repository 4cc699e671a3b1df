import uuid
from datetime import UTC, datetime

import numpy as np
import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from api.v1.point_wire import MEDIA_TYPE
from projects.access import actor_for_user
from projects.services.projects import create_project
from runs.models import AttributeKind
from runs.operations import AppendFloats, AppendStrings, AssignValue, BatchIdentity, ConfigureSeries, DeleteAttribute
from runs.services.ingest import apply_operations
from runs.services.runs import create_run
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


@pytest.fixture
def runs(project, alice, run):
    """Three runs of one project; the last has no series."""
    others = [create_run(project=project, owner=alice)[0] for _ in range(2)]
    log_floats(run, "loss", [1.0, 2.0])
    log_floats(run, "acc", [0.5])
    log_floats(others[0], "loss", [3.0])
    return [run, *others]


@pytest.fixture
def read_runs(api, project):
    """The answer for several runs."""

    def get(runs, query: str):
        ids = "&".join(f"run={getattr(each, 'uuid', each)}" for each in runs)
        response = api.get(f"projects/lab/tutorial/series/?{ids}&{query}")
        assert response.status_code == 200, response.content
        return response.json()

    return get


def test_series_of_several_runs_come_path_by_path_and_run_by_run(read_runs, runs):
    answer = read_runs(runs, "path=loss&path=acc")
    found = [(each["path"], each["run"], each["values"]) for each in answer["series"]]
    first, second = str(runs[0].uuid), str(runs[1].uuid)
    assert found == [("loss", first, [1, 2]), ("loss", second, [3]), ("acc", first, [0.5])]
    assert answer["missing"] == []


def test_runs_that_are_not_in_the_project_are_missing_and_harm_nobody(read_runs, runs, alice):
    elsewhere = create_project(actor=actor_for_user(alice), organization="lab", name="elsewhere")
    stranger = create_run(project=elsewhere, owner=alice)[0]
    log_floats(stranger, "loss", [7.0])
    unknown = uuid.uuid4()
    answer = read_runs([stranger, runs[0], unknown], "path=loss")
    assert [each["values"] for each in answer["series"]] == [[1, 2]]
    assert answer["missing"] == [str(stranger.uuid), str(unknown)]


def test_several_runs_are_followed_by_their_cursors(read_runs, runs):
    first, second = read_runs(runs[:2], "path=loss")["series"]
    query = f"path=loss&cursor={first['cursor']}&cursor={second['cursor']}"
    log_floats(runs[1], "loss", [4.0], first_step=1)
    added = read_runs(runs[:2], query)["series"]
    assert [(each["values"], each["reset"]) for each in added] == [([], False), ([4], False)]
    log_floats(runs[0], "loss", [9.0])
    again = read_runs(runs[:2], f"path=loss&cursor={first['cursor']}&cursor=")["series"]
    assert again[0]["reset"] is True
    assert (again[1]["values"], "reset" in again[1]) == ([3, 4], False)


def test_relative_time_counts_from_where_the_run_began(read_runs, runs):
    runs[0].created_at = datetime.fromtimestamp(1_699_999_999, tz=UTC)  # the other began after its first point
    runs[0].save()
    first, second = read_runs(runs[:2], "path=loss&axis=relative&from=0&to=1000")["series"]
    assert (first["origin"], first["values"]) == (1_699_999_999_000, [1])
    assert (second["origin"], second["values"]) == (1_700_000_000_000, [3])


def test_an_answer_never_has_more_points_than_its_budget(read_runs, runs, monkeypatch):
    monkeypatch.setattr("api.v1.series.POINTS_PER_ANSWER", 60)
    for run in runs:
        log_floats(run, "long", [float(n % 7) for n in range(500)])
    series = read_runs(runs, "path=long&max_points=2000")["series"]
    assert [len(each["steps"]) <= 20 for each in series] == [True] * 3
    assert [each["total"] for each in series] == [500] * 3


def test_the_binary_answer_says_the_same_as_json(api, read_runs, runs):
    log_floats(runs[0], "odd", [float("nan"), float("inf"), 0.1])
    query = f"run={runs[0].uuid}&run={runs[1].uuid}&path=odd&path=loss"
    response = api.get(f"projects/lab/tutorial/series/?{query}", headers={"Accept": MEDIA_TYPE})
    assert (response.headers["Content-Type"], response.headers["Vary"]) == (MEDIA_TYPE, "Accept")
    data = response.content
    size = int.from_bytes(data[4:8], "little")
    header = orjson.loads(data[8 : 8 + size])
    start = 8 + size + -(8 + size) % 8
    count = sum(each["count"] for each in header["series"])
    assert (data[:4], len(data)) == (b"TPB1", start + 24 * count)
    values, times, steps = (np.frombuffer(data, kind, count, start + 8 * count * n) for n, kind in enumerate("dqd"))
    expected = read_runs(runs[:2], "path=odd&path=loss")
    assert [float(value) for each in expected["series"] for value in each["values"]] == pytest.approx(
        values.tolist(), nan_ok=True
    )
    assert [step for each in expected["series"] for step in each["steps"]] == steps.tolist()
    assert [time for each in expected["series"] for time in each["timestamps"]] == times.tolist()
    rest = [
        {key: each[key] for key in each if key not in ("steps", "timestamps", "values")} for each in expected["series"]
    ]
    assert [{key: each[key] for key in each if key != "count"} for each in header["series"]] == rest


def test_charts_of_many_runs_cost_the_same_number_of_queries(api, project, alice):
    runs = [create_run(project=project, owner=alice)[0] for _ in range(12)]
    for run in runs:
        log_floats(run, "loss", [1.0])

    def queries(some):
        with CaptureQueriesContext(connection) as seen:
            query = "&".join(f"run={run.uuid}" for run in some)
            assert len(api.get(f"projects/lab/tutorial/series/?path=loss&{query}").json()["series"]) == len(some)
        return len(seen)

    queries(runs)
    assert queries(runs[:1]) == queries(runs)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("path=loss", 400, "invalid"),
        ("path=loss&run=x", 400, "invalid"),
        ("run={run}", 400, "invalid"),
        ("path=loss&run={run}&cursor=a&cursor=b", 400, "invalid"),
        ("&".join(["run={run}"] + [f"path={n}" for n in range(101)]), 400, "invalid"),
        ("&".join([f"path={n}" for n in range(60)] + ["run={run}", "run={other}"]), 413, "too_large"),
    ],
)
def test_faulty_parameters_for_several_runs_are_refused(api, run, query, status, code):
    address = query.format(run=run.uuid, other=uuid.uuid4())
    refused(api.get(f"projects/lab/tutorial/series/?{address}"), status, code)


def test_the_catalogue_lists_all_float_series_with_one_query_more_or_less(api, run, django_assert_max_num_queries):
    for n in range(30):
        log_floats(run, f"m/{n:02}", [1.0])
    log_floats(run, "gpu", [1.0])
    configure = ConfigureSeries(path="gpu", minimum=0.0, maximum=100.0, unit="%")
    assert not apply_operations(run, [configure], identity=BatchIdentity()).errors
    apply_operations(run, [AssignValue(path="c", kind=AttributeKind.INT, value=1)], identity=BatchIdentity())
    with django_assert_max_num_queries(8):
        answer = api.get(f"runs/{run.uuid}/series/paths/").json()
    assert answer["paths"] == ["gpu", *(f"m/{n:02}" for n in range(30))]
    assert answer["configured"] == {"gpu": {"unit": "%", "range_minimum": 0, "range_maximum": 100}}
