from __future__ import annotations

import pytest

from runs.operations import AssignFile, BatchIdentity
from runs.services.files import store_bytes
from runs.services.ingest import apply_operations
from runs.services.runs import finish_run
from tests.web.conftest import assign, floats, log, text_file

RUN = "/lab/tutorial/e/TUT-1"


@pytest.fixture
def page(run, alice, sign_in):
    """The text of a page of the run, as its owner sees it."""
    client = sign_in(alice)

    def text(address: str) -> str:
        response = client.get(f"{RUN}/{address}")
        assert response.status_code == 200
        return response.content.decode()

    return text


def test_the_overview_shows_facts_metrics_and_parameters(page):
    text = page("overview")
    for part in ("first try", "Running", "metrics/", "loss", "0.25", "optimizer", "Adam", "digits"):
        assert part in text


def test_rejected_operations_are_shown_with_their_reason(run, page):
    apply_operations(run, [floats("parameters/lr", [1.0])], identity=BatchIdentity(digest="f" * 64))
    text = page("overview")
    assert "1 logged value could not be stored" in text
    assert "parameters/lr" in text


def test_special_values_are_shown_by_their_names(run, page):
    log(run, floats("metrics/odd", [1.0, float("nan")]), assign("parameters/huge", float("inf")))
    text = page("overview")
    assert "NaN" in text
    assert "∞" in text


def test_a_live_run_can_be_stopped_and_a_finished_one_not(run, page):
    assert "data-stop-run >" in page("overview")
    finish_run(run)
    assert "data-stop-run hidden" in page("overview")


def test_files_are_listed_with_sets_and_sizes(page):
    text = page("files")
    for part in ("reports/summary", "reports/table", "source_code/files", "file set"):
        assert part in text


def test_html_is_shown_only_in_a_frame_that_may_do_nothing(page):
    text = page("files?path=reports/summary")
    assert '<iframe class="preview-frame" sandbox=""' in text
    assert "alert(1)" not in text


def test_csv_becomes_a_table_and_code_is_coloured(page):
    assert '<th scope="col">a</th>' in page("files?path=reports/table")
    source = page("files?path=source_code/files&member=train.py")
    assert '<span class="kn">import</span>' in source


def test_broken_files_are_still_shown_as_text(run, page):
    log(
        run,
        text_file(run, "reports/broken", "json", b'{"a": [1, 2'),
        text_file(run, "reports/deep", "json", b"[" * 5000),
    )
    assert "&quot;a&quot;" in page("files?path=reports/broken")
    assert "reports/deep" in page("files?path=reports/deep")


def test_a_directory_of_a_set_can_be_opened(run, page):
    assert "train.py" in page("files?path=source_code/files")
    assert "all files" in page("files?path=source_code/files&inside=nothing")


def test_the_source_tab_begins_with_the_script_that_was_run(run, page):
    log(run, assign("source_code/entrypoint", "train.py"))
    text = page("source")
    assert "Started as" in text
    assert "hello" in text


def test_a_diff_is_coloured_as_one(run, page):
    log(run, text_file(run, "source_code/diff", "patch", b"--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n"))
    assert '<span class="gi">+new</span>' in page("source?path=source_code/diff")


def test_only_files_below_source_code_are_shown_as_source(run, alice, sign_in):
    assert sign_in(alice).get(f"{RUN}/source?path=reports/table").status_code == 404


@pytest.mark.parametrize("query", ["path=nothing", "path=source_code/files&member=nothing", "path=metrics/loss"])
def test_a_file_that_is_not_there_is_not_found(query, run, alice, sign_in):
    assert sign_in(alice).get(f"{RUN}/files?{query}").status_code == 404


def test_a_checkpoint_that_would_import_code_says_what(run, page):
    file = store_bytes(run, [b"\x80\x04cos\nsystem\n."])
    file.facts = {"format": "Pickle", "tensor_count": 2, "elements": 12_000_000, "imports": ["os.system"], "values": []}
    file.save()
    log(run, AssignFile(path="checkpoints/epoch_12", file=file, extension="pkl"))
    text = page("checkpoints")
    for part in ("os.system", "would import", "12 M", "epoch_12"):
        assert part in text


@pytest.mark.parametrize("tab", ["overview", "charts", "files", "source", "checkpoints"])
def test_the_number_of_queries_does_not_grow_with_attributes(tab, run, alice, sign_in, django_assert_max_num_queries):
    log(run, *(floats(f"many/series{number}", [1.0]) for number in range(60)))
    log(run, *(text_file(run, f"many/file{number}", "txt", b"x") for number in range(60)))
    client = sign_in(alice)
    with django_assert_max_num_queries(36):
        assert client.get(f"{RUN}/{tab}").status_code == 200
