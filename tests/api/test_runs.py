import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from runs.models import AttributeKind, Run, RunSignal
from runs.models.run import TOUCH_GRAIN
from runs.operations import AppendFloats, AssignValue, BatchIdentity
from runs.series import store
from runs.services.ingest import apply_operations
from runs.services.runs import create_run, ping_run
from tests.api.conftest import refused

RUNS = "projects/lab/tutorial/runs/"


def log(run: Run, **values: float) -> None:
    operations = [AssignValue(path=path, kind=AttributeKind.FLOAT, value=value) for path, value in values.items()]
    assert not apply_operations(run, operations, identity=BatchIdentity()).errors


def test_a_run_is_created_with_a_name_a_description_and_tags(api, project, alice):
    answer = api.post(RUNS, {"name": "baseline", "description": "First try", "tags": ["cnn", "digits"]})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["sys_id"], made["name"], made["description"]) == ("TUT-1", "baseline", "First try")
    assert made["tags"] == ["cnn", "digits"]
    assert (made["owner"], made["state"], made["project"]) == ("alice", "running", "lab/tutorial")
    assert api.get(f"runs/{made['uuid']}/").json() == made


def test_asking_twice_with_a_custom_id_gives_one_run(api, project):
    first = api.post(RUNS, {"custom_id": "night-1", "tags": ["a"]})
    again = api.post(RUNS, {"custom_id": "night-1", "tags": ["b"]})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["uuid"] == again.json()["uuid"]
    assert again.json()["tags"] == ["a"]
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tags": "a"}, "tags"),
        ({"tags": ["x" * 257]}, "tags.0"),
        ({"tags": [1, None]}, "tags.1"),
        ({"custom_id": ""}, "custom_id"),
        ({"custom_id": "x" * 731}, "custom_id"),
        ({"custom_id": "a\nb"}, "custom_id"),
        ({"name": {}}, "name"),
        ({"uuid": str(uuid.uuid4())}, "uuid"),
        ({"owner": "bob"}, "owner"),
        ({"created_at": "2020-01-01T00:00:00Z"}, "created_at"),
    ],
)
def test_a_faulty_run_is_refused_by_field(api, project, body, field):
    assert refused(api.post(RUNS, body), 400, "invalid")["field"] == field
    assert not Run.objects.exists()


def test_the_table_has_the_columns_asked_for(api, run):
    log(run, **{"parameters/lr": 0.1, "a,b": float("nan"), "other": 1.0})
    answer = api.get(f"{RUNS}?columns=parameters/lr,absent&column=a,b").json()
    assert (answer["total"], answer["next"]) == (1, None)
    row = answer["results"][0]
    assert row["values"] == {"parameters/lr": {"kind": "float", "value": 0.1}, "a,b": {"kind": "float", "value": "NaN"}}
    assert (row["uuid"], row["sys_id"], row["name"]) == (str(run.uuid), "TUT-1", "first")


def test_values_of_every_kind_are_written_as_json_has_them(api, run):
    moment = datetime(2026, 3, 5, 6, 7, 8, 9000, tzinfo=UTC)
    values: list[tuple[AttributeKind, str, Any, Any]] = [
        (AttributeKind.FLOAT, "finite", 1e-7, 1e-7),
        (AttributeKind.FLOAT, "low", float("-inf"), "-Infinity"),
        (AttributeKind.INT, "int", 2**53 + 1, 2**53 + 1),
        (AttributeKind.BOOL, "bool", True, True),
        (AttributeKind.STRING, "null", 'null "quoted" \n ü', 'null "quoted" \n ü'),
        (AttributeKind.DATETIME, "when", moment, "2026-03-05T06:07:08.009000Z"),
    ]
    assigned = [AssignValue(path=path, kind=kind, value=value) for kind, path, value, _ in values]
    assert not apply_operations(run, assigned, identity=BatchIdentity()).errors
    expected = {path: {"kind": kind.label, "value": shown} for kind, path, _, shown in values}
    for paths in ([*expected], ["finite", "int", "when"], ["bool", "sys/name"], ["null"]):
        (row,) = api.get(f"{RUNS}?columns={','.join(paths)}").json()["results"]
        assert row["values"] == {path: expected[path] for path in paths if path in expected} | {
            path: {"kind": "string", "value": row["name"]} for path in paths if path == "sys/name" and row["name"]
        }


def test_the_table_is_read_page_by_page_newest_first(api, project, alice):
    for _ in range(7):
        create_run(project=project, owner=alice)
    seen, cursor = [], ""
    while cursor is not None:
        answer = api.get(f"{RUNS}?limit=3&cursor={cursor}").json()
        seen += [row["sys_id"] for row in answer["results"]]
        cursor = answer["next"]
        assert answer["total"] == 7
    assert seen == [f"TUT-{number}" for number in range(7, 0, -1)]


def test_the_table_costs_the_same_number_of_queries_however_long(api, project, alice, django_assert_max_num_queries):
    for _ in range(20):
        log(create_run(project=project, owner=alice)[0], loss=1.0)
    with django_assert_max_num_queries(13):
        assert len(api.get(f"{RUNS}?columns=loss,sys/tags").json()["results"]) == 20


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=%00",
        "limit=0",
        "trashed=maybe",
        "order=name",
        "columns=" + ",".join(["x"] * 101),
        "search=%00",
    ],
)
def test_faulty_parameters_are_refused(api, run, query):
    answer = api.get(f"{RUNS}?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, query.split("=")[0])


def test_the_trash_is_another_table(api, run):
    assert api.post(f"runs/{run.uuid}/trash/").json()["trashed_at"]
    assert api.get(RUNS).json()["results"] == []
    assert len(api.get(f"{RUNS}?trashed=true").json()["results"]) == 1
    assert api.post(f"runs/{run.uuid}/restore/").json()["trashed_at"] is None
    assert len(api.get(RUNS).json()["results"]) == 1


def test_name_description_and_tags_are_changed(api, run):
    path = f"runs/{run.uuid}/"
    api.patch(path, {"tags": ["old"], "description": "x"})
    answer = api.patch(path, {"name": "second", "tags": ["new", "a"]}).json()
    assert (answer["name"], answer["tags"], answer["description"]) == ("second", ["a", "new"], "x")
    assert api.patch(path, {"tags": []}).json()["tags"] == []


@pytest.mark.parametrize("body", [{"sys_id": "X-1"}, {"project": 1}, {"failed": True}, {"tags": [""]}, {"name": None}])
def test_nothing_else_is_changed(api, run, body):
    refused(api.patch(f"runs/{run.uuid}/", body), 400, "invalid")


def test_a_run_is_finished(api, run):
    assert api.post(f"runs/{run.uuid}/finish/").json()["state"] == "finished"


def test_a_live_run_is_asked_to_stop_once(api, run, alice):
    for _ in range(2):
        assert api.post(f"runs/{run.uuid}/signals/", {"kind": "stop", "seconds": 30}).status_code == 201
    signal = RunSignal.objects.get()
    assert (signal.kind, signal.seconds, signal.requested_by) == ("stop", 30, alice)


def test_a_run_that_nobody_listens_to_can_not_be_stopped(api, run):
    Run.objects.update(last_ping_at=timezone.now() - timedelta(hours=1))
    refused(api.post(f"runs/{run.uuid}/signals/", {"kind": "abort"}), 400, "not_running")


@pytest.mark.parametrize("body", [{}, {"kind": "pause"}, {"kind": "stop", "seconds": 0}, {"kind": ["stop"]}])
def test_a_faulty_signal_is_refused(api, run, body):
    refused(api.post(f"runs/{run.uuid}/signals/", body), 400, "invalid")


def test_a_page_learns_cheaply_whether_the_run_changed(api, run, django_assert_max_num_queries):
    Run.objects.update(touched_at=timezone.now() - 2 * TOUCH_GRAIN)
    with django_assert_max_num_queries(8):
        first = api.get(f"runs/{run.uuid}/changes/").json()
    assert (first["changed"], first["state"]) == (True, "running")
    since = first["touched_at"]
    assert api.get(f"runs/{run.uuid}/changes/?since={since}").json()["changed"] is False
    log(run, loss=1.0)
    assert api.get(f"runs/{run.uuid}/changes/?since={since}").json()["changed"] is True
    ping_run(run)
    refused(api.get(f"runs/{run.uuid}/changes/?since=yesterday"), 400, "invalid")
    refused(api.get(f"runs/{run.uuid}/changes/?since=99999-01-01T00:00:00Z"), 400, "invalid")


def test_a_run_that_is_not_there_and_one_of_others_look_alike(as_user, run, charlie):
    outsider = as_user(charlie)
    theirs = refused(outsider.get(f"runs/{run.uuid}/"), 404, "not_found")
    nowhere = refused(outsider.get(f"runs/{uuid.uuid4()}/"), 404, "not_found")
    assert theirs["message"] == nowhere["message"]


def test_the_table_is_filtered_and_sorted_by_any_attribute(api, project, alice):
    for loss in (0.3, float("nan"), 0.1, 0.2):
        log(create_run(project=project, owner=alice)[0], loss=loss)
    create_run(project=project, owner=alice)

    def ids(query):
        return [row["sys_id"] for row in api.get(f"{RUNS}?{query}").json()["results"]]

    assert ids("sort=loss&order=asc") == ["TUT-3", "TUT-4", "TUT-1", "TUT-2", "TUT-5"]
    assert ids("sort=loss") == ["TUT-1", "TUT-4", "TUT-3", "TUT-2", "TUT-5"]
    assert ids("sort=sys/id&order=asc&query=loss >= 0.2") == ["TUT-1", "TUT-4"]
    answer = api.get(f"{RUNS}?sort=loss&limit=2&count=false").json()
    assert answer["total"] is None
    assert ids(f"sort=loss&cursor={answer['next']}") == ["TUT-3", "TUT-2", "TUT-5"]
    refused(api.get(f"{RUNS}?sort=loss&order=asc&cursor={answer['next']}"), 400, "bad_cursor")


def test_figures_of_series_are_sorted_by_and_shown(api, run, project, alice):
    other = create_run(project=project, owner=alice)[0]
    for each, values in ((run, [1.0, 5.0]), (other, [2.0, 2.0])):
        floats = AppendFloats(path="acc", values=values, steps=[0, 1], timestamps=[1, 2])
        apply_operations(each, [floats], identity=BatchIdentity(digest=each.sys_id))
        store.flush(each.pk)
    for sort, expected in (("min(acc)", "TUT-2"), ("mean(acc)", "TUT-1"), ("variance(acc)", "TUT-1"), ("acc", "TUT-1")):
        assert api.get(f"{RUNS}?sort={sort}").json()["results"][0]["sys_id"] == expected
    rows = api.get(f"{RUNS}?query=min(acc) < 1.5&columns=acc&statistics=true").json()["results"]
    assert [row["sys_id"] for row in rows] == ["TUT-1"]
    assert (rows[0]["values"]["acc"]["mean"], rows[0]["values"]["acc"]["variance"]) == (3.0, 4.0)
    lean = api.get(f"{RUNS}?query=min(acc) < 1.5&columns=acc").json()["results"][0]["values"]
    assert lean == {"acc": {"kind": "float_series", "value": 5.0}}


@pytest.mark.parametrize(
    ("query", "position"), [("loss <", 6), ("a = 1 b", 6), ("sys/state = x", 0), ("a = 1 AND sys/size = y", 10)]
)
def test_a_query_that_makes_no_sense_names_the_place(api, run, query, position):
    assert refused(api.get(f"{RUNS}?query={query}"), 400, "bad_query")["position"] == position
