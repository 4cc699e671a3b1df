"""Large files in parts: whole and right, or absent."""

from __future__ import annotations

import itertools
import os
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.exceptions import Conflict, InvalidInput, NotFound, TooLarge, Unavailable
from runs.models import StoredFile, Upload, UploadPart
from runs.services import uploads
from runs.services.files import read_range, store_bytes
from runs.services.runs import create_run
from runs.services.uploads import RangeMismatch, finish_upload, parse_range, start_upload, sweep_uploads, write_part
from tests.runs.files.conftest import blobs_in
from tests.runs.files.test_storing import failing_at


@pytest.fixture
def upload(run) -> Upload:
    return start_upload(run, attribute_path="model", extension="pt", total_length=10)


def send(upload: Upload, number: int, first: int, data: bytes, **options) -> None:
    write_part(str(upload.uuid), upload.run, number, first, upload.total_length, [data], **options)


def content(file: StoredFile) -> bytes:
    return b"".join(read_range(file))


def test_parts_become_one_file(run, upload, storage_folder):
    send(upload, 1, 5, b"56789")
    send(upload, 0, 0, b"01234")
    file = finish_upload(upload.uuid, run)
    assert content(file) == b"0123456789"
    assert file.size == 10
    assert blobs_in(storage_folder) == {file.storage_key}
    assert list(StoredFile.objects.all()) == [file]


def test_finishing_again_gives_the_same_file(run, upload):
    send(upload, 0, 0, b"0123456789")
    assert finish_upload(upload.uuid, run) == finish_upload(upload.uuid, run)
    assert StoredFile.objects.count() == 1


def test_an_empty_file_needs_no_part(run):
    upload = start_upload(run, attribute_path="empty", total_length=0)
    assert finish_upload(upload.uuid, run).size == 0


def test_a_part_sent_again_replaces_the_first(run, upload, storage_folder):
    send(upload, 0, 0, b"xxxxx")
    send(upload, 1, 5, b"56789")
    send(upload, 0, 0, b"01234")
    assert len(blobs_in(storage_folder)) == 2
    assert content(finish_upload(upload.uuid, run)) == b"0123456789"


def test_a_missing_part_can_still_be_sent_after_a_failed_finish(run, upload):
    send(upload, 1, 5, b"56789")
    with pytest.raises(Conflict) as caught:
        finish_upload(upload.uuid, run)
    assert "0 to 5 are missing" in caught.value.message
    send(upload, 0, 0, b"01234")
    assert content(finish_upload(upload.uuid, run)) == b"0123456789"


def test_an_end_that_is_missing_is_noticed(run, upload):
    send(upload, 0, 0, b"01234")
    with pytest.raises(Conflict, match="5 of 10 bytes"):
        finish_upload(upload.uuid, run)


def test_overlapping_parts_are_refused(run, upload):
    send(upload, 0, 0, b"012345")
    send(upload, 1, 5, b"56789")
    with pytest.raises(Conflict, match="came twice"):
        finish_upload(upload.uuid, run)


@pytest.mark.parametrize(
    ("first", "data", "total", "length"),
    [
        (0, b"0123", 10, 5),
        (0, b"012345", 10, 5),
        (8, b"0123", 10, None),
        (0, b"01234", 11, 5),
        (20, b"0", 10, 1),
        (-1, b"0", 10, 1),
    ],
)
def test_bytes_that_are_not_the_announced_range_are_refused(run, upload, storage_folder, first, data, total, length):
    with pytest.raises(RangeMismatch) as caught:
        write_part(upload.uuid, run, 0, first, total, [data], length=length)
    assert caught.value.message == "Length of stream does not match given range"
    assert not caught.value.details["repeated"]
    assert not UploadPart.objects.exists()
    assert not blobs_in(storage_folder)


def test_the_fourth_mismatch_for_one_attribute_says_that_it_repeats(run):
    seen = []
    for _ in range(4):
        upload = start_upload(run, attribute_path="model", total_length=10)
        with pytest.raises(RangeMismatch) as caught:
            send(upload, 0, 0, b"short", length=10)
        seen.append(caught.value.details["repeated"])
    assert seen == [False, False, False, True]


def test_a_finished_upload_takes_no_more_parts(run, upload):
    send(upload, 0, 0, b"0123456789")
    finish_upload(upload.uuid, run)
    with pytest.raises(Conflict):
        send(upload, 0, 0, b"9876543210")


def test_another_runs_upload_does_not_exist(upload, project, alice):
    stranger = create_run(project=project, owner=alice)[0]
    with pytest.raises(NotFound):
        write_part(upload.uuid, stranger, 0, 0, 10, [b"0123456789"])
    with pytest.raises(NotFound):
        finish_upload(upload.uuid, stranger)


@pytest.mark.parametrize("identity", [str(uuid.uuid4()), "", "x", "../../etc/passwd", "1" * 5000, "\x00"])
def test_an_unknown_upload_does_not_exist(run, identity):
    with pytest.raises(NotFound):
        finish_upload(identity, run)


def test_an_expired_upload_is_gone(run, upload):
    send(upload, 0, 0, b"0123456789")
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(NotFound):
        finish_upload(upload.uuid, run)
    assert sweep_uploads() == 1
    assert not UploadPart.objects.exists()


def test_a_file_over_the_limit_is_refused_before_it_is_sent(run, settings):
    settings.MAX_FILE_BYTES = 10
    assert start_upload(run, attribute_path="model", total_length=10)
    with pytest.raises(TooLarge):
        start_upload(run, attribute_path="model", total_length=11)


def test_a_part_over_the_limit_is_refused(run, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_PART_BYTES", 4)
    upload = start_upload(run, attribute_path="model", total_length=10)
    with pytest.raises(TooLarge) as caught:
        send(upload, 0, 0, b"01234")
    assert not isinstance(caught.value, RangeMismatch)
    send(upload, 0, 0, b"0123")


def test_parts_that_change_during_the_finish_are_not_mixed(run, upload, monkeypatch, storage_folder):
    send(upload, 0, 0, b"0123456789")
    original = store_bytes

    def interrupted(*arguments, **options):
        file = original(*arguments, **options)
        monkeypatch.setattr(uploads, "store_bytes", original)
        send(upload, 0, 0, b"9876543210")
        return file

    monkeypatch.setattr(uploads, "store_bytes", interrupted)
    with pytest.raises(Conflict):
        finish_upload(upload.uuid, run)
    assert len(blobs_in(storage_folder)) == 1
    assert content(finish_upload(upload.uuid, run)) == b"9876543210"


def test_two_that_finish_at_once_get_one_file(run, upload, monkeypatch, storage_folder):
    """The second finishes while the first has joined the parts but not settled yet."""
    send(upload, 0, 0, b"0123456789")
    original = store_bytes
    results: list[StoredFile] = []

    def overtaken(*arguments, **options):
        file = original(*arguments, **options)
        monkeypatch.setattr(uploads, "store_bytes", original)
        results.append(finish_upload(upload.uuid, run))
        return file

    monkeypatch.setattr(uploads, "store_bytes", overtaken)
    results.append(finish_upload(upload.uuid, run))
    assert results[0] == results[1]
    assert content(results[0]) == b"0123456789"
    assert blobs_in(storage_folder) == {results[0].storage_key}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cut_and_order_gives_the_same_bytes(run, data):
    content_bytes = data.draw(st.binary(min_size=1, max_size=200))
    borders = sorted({0, len(content_bytes), *data.draw(st.lists(st.integers(0, len(content_bytes)), max_size=5))})
    pieces = list(enumerate(itertools.pairwise(borders)))
    upload = start_upload(run, attribute_path="model", total_length=len(content_bytes))
    for number, (first, end) in data.draw(st.permutations(pieces)) + data.draw(st.lists(st.sampled_from(pieces))):
        send(upload, number, first, content_bytes[first:end], length=end - first)
    assert content(finish_upload(upload.uuid, run)) == content_bytes


NO_RANGES = ["", "bytes=0-4", "bytes=4-0/10", "bytes=0-10/10", "bytes 0-4/10", "bytes=-1-4/10", "bytes=0-4/*"]
NO_RANGES += ["bytes=٠-4/10", "bytes=0-4/10\n", "bytes=" + "9" * 5000 + "-0/1"]


@pytest.mark.parametrize("text", NO_RANGES)
def test_a_range_that_is_none_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_range(text)


def test_a_range_is_first_length_and_total():
    assert parse_range("bytes=5-9/10") == (5, 5, 10)


def test_a_storage_that_fails_anywhere_in_an_upload_mixes_nothing(run, storage_folder, monkeypatch):
    """Fails the n-th call to the disk for every n; whatever happens, trying again gives the right bytes."""
    for nth in itertools.count(1):
        upload = start_upload(run, attribute_path="model", total_length=10)
        fault = failing_at(nth, os.fsync)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fault)
            try:
                send(upload, 0, 0, b"01234")
                send(upload, 1, 5, b"56789")
                file = finish_upload(upload.uuid, run)
            except Unavailable:
                file = None
        if file is not None:
            assert nth > 3, "the fault never fired"
            assert content(file) == b"0123456789"
            break
        send(upload, 0, 0, b"01234")
        send(upload, 1, 5, b"56789")
        assert content(finish_upload(upload.uuid, run)) == b"0123456789"
        upload.refresh_from_db()
        assert blobs_in(storage_folder) == set(StoredFile.objects.values_list("storage_key", flat=True))
