"""What nothing needs is removed, and nothing else."""

from __future__ import annotations

import os
import time
import uuid
from datetime import timedelta

from django.utils import timezone

from projects.exceptions import Unavailable
from runs import blobs
from runs.models import LogSession, ReceivedBatch, Run, StoredFile, Upload
from runs.operations import DeleteAttribute
from runs.services import sweeping
from runs.services.files import read_range, store_bytes
from runs.services.previews import make_thumbnails
from runs.services.runs import create_run
from runs.services.sweeping import (
    forget_old_batches,
    forget_old_sessions,
    remove_abandoned_uploads,
    remove_unreferenced_files,
)
from runs.services.uploads import finish_upload, start_upload, write_part
from tests.runs.files.conftest import apply, assign, blobs_in
from tests.runs.files.test_processing import png


def age(**change) -> None:
    StoredFile.objects.filter(orphaned_at__isnull=False).update(orphaned_at=timezone.now() - timedelta(**change))


def test_a_file_nobody_refers_to_goes_after_its_grace_with_all_that_belongs_to_it(run, storage_folder):
    file = store_bytes(run, [png()])
    make_thumbnails(file)
    age(minutes=65)
    assert remove_unreferenced_files() == 0
    assert len(blobs_in(storage_folder)) == 3
    age(minutes=75)
    assert remove_unreferenced_files() == 1
    assert not blobs_in(storage_folder)
    assert not StoredFile.objects.exists()


def test_a_file_that_something_refers_to_stays_whatever_its_mark_says(run, storage_folder):
    file = store_bytes(run, [b"abc"])
    assign(run, "model", file)
    StoredFile.objects.update(orphaned_at=timezone.now() - timedelta(days=9))
    assert remove_unreferenced_files() == 0
    assert b"".join(read_range(file)) == b"abc"


def test_a_deleted_attributes_file_goes(run, storage_folder):
    assign(run, "model", store_bytes(run, [b"abc"]))
    assign(run, "other", store_bytes(run, [b"def"]))
    apply(run, DeleteAttribute(path="model"))
    age(hours=2)
    assert remove_unreferenced_files() == 1
    assert len(blobs_in(storage_folder)) == 1


def test_parts_stay_as_long_as_their_upload(run, storage_folder):
    upload = start_upload(run, attribute_path="model", total_length=6)
    write_part(upload.uuid, run, 0, 0, 6, [b"abc"])
    age(hours=20)
    assert remove_unreferenced_files() == 0
    write_part(upload.uuid, run, 1, 3, 6, [b"def"])
    assert b"".join(read_range(finish_upload(upload.uuid, run))) == b"abcdef"


def test_an_upload_that_is_never_finished_gives_its_space_back(run, storage_folder):
    upload = start_upload(run, attribute_path="model", total_length=6)
    write_part(upload.uuid, run, 0, 0, 6, [b"abc"])
    Upload.objects.update(expires_at=timezone.now())
    age(hours=24)
    assert remove_abandoned_uploads() == 1
    assert remove_unreferenced_files() == 1
    assert not blobs_in(storage_folder)


def test_temporary_files_of_the_dead_go_and_those_of_the_living_stay(run, storage_folder):
    old, new = blobs.incoming_folder() / "old", blobs.incoming_folder() / "new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (time.time() - 4000, time.time() - 4000))
    assert remove_abandoned_uploads() == 1
    assert blobs_in(storage_folder) == {".incoming/new"}


def test_the_blobs_of_a_deleted_run_go_and_no_others(run, project, alice, storage_folder):
    other = create_run(project=project, owner=alice)[0]
    kept = store_bytes(other, [b"keep"])
    assign(other, "model", kept)
    assign(run, "model", store_bytes(run, [b"gone"]))
    (storage_folder / "not-a-run").mkdir()
    (storage_folder / "not-a-run" / "x").write_bytes(b"x")
    run.delete()
    assert remove_unreferenced_files() == 1
    assert blobs_in(storage_folder) == {kept.storage_key, "not-a-run/x"}
    assert {path.name for path in storage_folder.iterdir()} == {str(other.uuid), "not-a-run", ".incoming"}


def test_a_storage_that_fails_keeps_the_row_for_another_time(run, monkeypatch):
    store_bytes(run, [b"abc"])
    age(hours=2)

    def broken(keys):
        raise Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(blobs, "remove", broken)
        assert remove_unreferenced_files() == 0
    assert StoredFile.objects.count() == 1
    assert remove_unreferenced_files() == 1


def test_old_batches_are_forgotten(run):
    for digest in ("old", "new"):
        ReceivedBatch.objects.create(run=run, digest=digest)
    ReceivedBatch.objects.filter(digest="old").update(received_at=timezone.now() - timedelta(hours=25))
    assert forget_old_batches() == 1
    assert ReceivedBatch.objects.get().digest == "new"


def test_old_batches_are_forgotten_in_portions(run, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(sweeping, "BATCHES_AT_ONCE", 4)
    for number in range(10):
        ReceivedBatch.objects.create(run=run, digest=str(number))
    ReceivedBatch.objects.filter(digest__lt="9").exclude(digest="5").update(
        received_at=timezone.now() - timedelta(hours=25)
    )
    with django_assert_num_queries(4):
        assert forget_old_batches() == 7
    assert {batch.digest for batch in ReceivedBatch.objects.all()} == {"5", "8", "9"}
    ReceivedBatch.objects.filter(digest="5").delete()
    assert forget_old_batches() == 1


def test_sessions_are_forgotten_with_runs_that_rest(run, project):
    busy = create_run(project=project, owner=None)[0]
    for each in (run, busy):
        LogSession.objects.create(run=each, session=uuid.uuid4())
    LogSession.objects.update(opened_at=timezone.now() - timedelta(days=3))
    Run.objects.filter(pk=run.pk).update(touched_at=timezone.now() - timedelta(days=3))
    LogSession.objects.create(run=run, session=uuid.uuid4())
    assert forget_old_sessions() == 1
    assert LogSession.objects.filter(run=run).count() == LogSession.objects.filter(run=busy).count() == 1


def test_sweeping_an_empty_storage_is_nothing(db):
    assert remove_unreferenced_files() == 0
    assert remove_abandoned_uploads() == 0
