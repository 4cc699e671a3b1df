from runs.models import AttributeKind
from runs.operations import AssignValue, BatchIdentity
from runs.services.ingest import apply_operations
from tests.api.conftest import refused


def test_what_could_not_be_applied_is_listed_newest_first(api, run, django_assert_max_num_queries):
    operations = [AssignValue(path=f"a//{n}", index=n, kind=AttributeKind.INT, value=n) for n in range(5)]
    apply_operations(run, operations, identity=BatchIdentity(digest="1"))
    with django_assert_max_num_queries(6):
        first = api.get(f"runs/{run.uuid}/rejected/?limit=3").json()
    rest = api.get(f"runs/{run.uuid}/rejected/?limit=3&cursor={first['next']}").json()
    assert [each["path"] for each in first["results"] + rest["results"]] == [f"a//{n}" for n in range(4, -1, -1)]
    assert rest["next"] is None
    row = first["results"][0]
    assert (row["operation"], row["code"], row["excerpt"]) == ("AssignValue", "invalid_path", "4")
    assert "empty part" in row["message"]


def test_a_run_without_rejections_has_an_empty_list(api, run):
    assert api.get(f"runs/{run.uuid}/rejected/").json() == {"results": [], "next": None}


def test_a_bad_cursor_is_refused(api, run):
    refused(api.get(f"runs/{run.uuid}/rejected/?cursor=x"), 400, "bad_cursor")
