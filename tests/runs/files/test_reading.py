"""What pages and APIs ask about files: galleries, checkpoints, attributes."""

from __future__ import annotations

import pytest

from projects.exceptions import NotFound
from runs.models import JobState, ProcessingJob
from runs.operations import AddFiles, AppendFiles, FilePoint
from runs.selectors.files import (
    checkpoints,
    file_attributes,
    file_entry,
    gallery,
    images,
    media_type_of,
    member_entry,
    series_count,
    series_entries,
)
from runs.services.files import store_bytes
from runs.services.runs import create_run
from runs.tasks import process_file
from tests.runs.files.conftest import apply, assign
from tests.runs.files.pickling import storage_zip
from tests.runs.files.test_checkpoints import STATE
from tests.runs.files.test_processing import png


@pytest.fixture
def series(run):
    """Five images, at the steps 0, 1, 2.5, 3.5 and 4.5."""
    steps = [None, None, 2.5, None, None]
    points = [
        FilePoint(file=store_bytes(run, [png()]), step=step, timestamp=1000 + number, name=f"image {number}")
        for number, step in enumerate(steps)
    ]
    apply(run, AppendFiles(path="predictions", points=points))
    return run


def test_a_gallery_is_read_page_by_page(series):
    first = gallery(series, "predictions", limit=2)
    assert ([image.step for image in first.images], first.total, first.next_step) == ([0, 1], 5, 2.5)
    second = gallery(series, "predictions", from_step=first.next_step, limit=3)
    assert ([image.step for image in second.images], second.next_step) == ([2.5, 3.5, 4.5], None)
    assert second.images[0].name == "image 2"
    assert [entry.step for entry in series_entries(series, "predictions", offset=1, limit=2)] == [1, 2.5]
    assert series_count(series, "predictions") == 5


def test_a_gallery_shows_sizes_and_thumbnails_once_they_are_made(series, django_assert_max_num_queries):
    assert gallery(series, "predictions").images[0].thumbnails == {}
    for job in ProcessingJob.objects.all():
        process_file(job.pk)
    with django_assert_max_num_queries(4):
        found = gallery(series, "predictions").images
    assert [(image.width, image.height, sorted(image.thumbnails), image.problem) for image in found] == [
        (600, 300, [160, 480], "")
    ] * 5


def test_an_unknown_series_is_an_empty_gallery(run):
    assert gallery(run, "nothing").images == []


def test_checkpoints_tell_how_far_their_examination_is(run):
    assign(run, "model", store_bytes(run, [storage_zip(STATE)]), "pt")
    apply(run, AddFiles(path="set", members={"deep/model.pt": store_bytes(run, [b"\x89HDF\r\n\x1a\n" + b"\0" * 10])}))
    assign(run, "table", store_bytes(run, [b"a,b"]), "csv")
    newest, oldest = checkpoints(run)
    assert (newest.path, oldest.path) == ("set/deep/model.pt", "model")
    assert (oldest.state, oldest.facts, oldest.problem) == (JobState.QUEUED, {}, "")
    for job in ProcessingJob.objects.all():
        process_file(job.pk)
    newest, oldest = checkpoints(run)
    assert (oldest.state, oldest.facts["elements"], oldest.problem) == (JobState.DONE, 220, "")
    assert (newest.state, newest.problem) == (JobState.DONE, "Not examined further.")


def test_a_file_is_found_by_path_in_its_own_run_only(run, project, alice):
    assign(run, "model", store_bytes(run, [b"<p>hello"]), "html")
    assert media_type_of(file_entry(run, "model")) == "text/html"
    stranger = create_run(project=project, owner=alice)[0]
    for path in ("nothing", "model"):
        with pytest.raises(NotFound):
            file_entry(stranger, path)
    with pytest.raises(NotFound):
        member_entry(run, "model", "x")


def test_file_attributes_and_pictures_are_listed_by_path(run):
    for path in ("b", "a/c", "a/b"):
        assign(run, path, store_bytes(run, [png() if path != "b" else b"text"]), "png")
    assert [entry.definition.path for entry in file_attributes(run)] == ["a/b", "a/c", "b"]
    assert [entry.definition.path for entry in file_attributes(run, after="a/b", limit=1)] == ["a/c"]
    assert [entry.definition.path for entry in file_attributes(run, search="C")] == ["a/c"]
    assert [entry.definition.path for entry in images(run)] == ["a/b", "a/c"]
