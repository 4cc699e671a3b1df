"""The life of a processing job: whatever gets lost, it ends done or parked with a reason."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone
from PIL import Image

from projects.exceptions import NotFound, Unavailable
from runs.models import JobKind, JobState, ProcessingJob, Thumbnail
from runs.services import processing
from runs.services.files import claim_files, store_bytes
from runs.services.processing import MAX_ATTEMPTS, requeue_processing, retry_job, run_job
from runs.tasks import process_file
from tests.runs.files.conftest import assign


def png() -> bytes:
    output = io.BytesIO()
    Image.new("RGB", (600, 300), "green").save(output, "PNG")
    return output.getvalue()


@pytest.fixture
def sent(monkeypatch) -> list[int]:
    """The jobs that workers were told about, in order."""
    told: list[int] = []
    monkeypatch.setattr(processing, "_send", told.extend)
    return told


@pytest.fixture
def job(run, sent) -> ProcessingJob:
    assign(run, "image", store_bytes(run, [png()]))
    return ProcessingJob.objects.get()


def work(monkeypatch, action) -> None:
    monkeypatch.setitem(processing._WORK, JobKind.IMAGE, action)


def fails_with(error: Exception):
    def action(file):
        raise error

    return action


def test_a_worker_is_told_after_the_commit_and_not_before(run, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        claim_files([store_bytes(run, [png()])])
        assert ProcessingJob.objects.get().state == JobState.QUEUED
        assert sent == []
    assert sent == [ProcessingJob.objects.get().pk]


def test_nobody_is_told_of_what_was_rolled_back(run, sent, django_capture_on_commit_callbacks):
    file = store_bytes(run, [png()])
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        claim_files([file])
        transaction.set_rollback(True)
    assert sent == []
    assert not ProcessingJob.objects.exists()


def test_other_files_need_nothing(run, sent):
    assign(run, "table", store_bytes(run, [b"a,b\n1,2\n"]))
    assert not ProcessingJob.objects.exists()


def test_a_broker_that_is_away_loses_nothing(run, monkeypatch, django_capture_on_commit_callbacks):
    tries = []

    def broken(*arguments, **options):
        tries.append(arguments)
        raise OSError("connection refused")

    monkeypatch.setattr(processing, "_silent_until", 0.0)
    monkeypatch.setattr(current_app, "connection_for_write", broken)
    with django_capture_on_commit_callbacks(execute=True):
        assign(run, "image", store_bytes(run, [png()]))
        assign(run, "another", store_bytes(run, [b"text"]))
    processing._send([1])
    assert len(tries) == 1, "a broker that is away is left alone for a while"
    monkeypatch.undo()
    job = ProcessingJob.objects.get()
    assert job.state == JobState.QUEUED
    told: list[int] = []
    monkeypatch.setattr(processing, "_send", told.extend)
    assert requeue_processing() == 0
    ProcessingJob.objects.update(sent_at=timezone.now() - timedelta(minutes=2))
    assert requeue_processing() == 1
    assert told == [job.pk]
    assert requeue_processing() == 0


def test_a_job_is_done_once_however_often_its_message_comes(job, monkeypatch):
    calls = []
    original = processing._WORK[JobKind.IMAGE]
    work(monkeypatch, lambda file: (calls.append(file), original(file)))
    for _ in range(3):
        process_file(job.pk)
    job.refresh_from_db()
    assert len(calls) == 1
    assert (job.state, job.attempts, job.error) == (JobState.DONE, 1, "")
    assert Thumbnail.objects.count() == 2


def test_a_message_without_a_job_is_nothing(db):
    process_file(12345)


def test_a_job_in_progress_is_left_alone(job, monkeypatch):
    work(monkeypatch, lambda file: run_job(job.pk))
    run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.DONE, 1)


def test_a_worker_that_lost_its_lease_does_not_overwrite_the_next(job, monkeypatch):
    """The first worker hangs past its lease; a second takes the job and fails it; then the first comes back."""

    def hangs(file):
        ProcessingJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        work(monkeypatch, fails_with(Unavailable("The storage is away.")))
        run_job(job.pk)

    work(monkeypatch, hangs)
    run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error) == (JobState.QUEUED, 2, "The storage is away.")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Unavailable("The file storage is full."), "The file storage is full."),
        (SoftTimeLimitExceeded(), "longer than the time limit"),
        (MemoryError(), "more memory"),
        (RuntimeError("/secret/path"), "unexpected error happened (RuntimeError)"),
    ],
)
def test_a_failure_is_tried_again_later_and_parked_in_the_end(job, monkeypatch, sent, error, words):
    work(monkeypatch, fails_with(error))
    delays = []
    for _ in range(MAX_ATTEMPTS):
        ProcessingJob.objects.update(due_at=timezone.now())
        run_job(job.pk)
        job.refresh_from_db()
        delays.append(round((job.due_at - timezone.now()).total_seconds()))
        assert words in job.error
        assert "/secret" not in job.error
    assert job.state == JobState.PARKED
    assert delays[:4] == [5, 10, 20, 40]
    run_job(job.pk)
    assert requeue_processing() == 0


def test_a_job_that_failed_waits_its_turn(job, monkeypatch, sent):
    work(monkeypatch, fails_with(MemoryError()))
    run_job(job.pk)
    run_job(job.pk)
    assert requeue_processing() == 0
    ProcessingJob.objects.update(due_at=timezone.now())
    assert requeue_processing() == 1
    job.refresh_from_db()
    assert job.attempts == 1


def test_a_job_whose_worker_died_is_taken_up_and_parked_when_that_repeats(job, sent):
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert processing._take(job.pk) is not None
        assert requeue_processing() == 0
        ProcessingJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert requeue_processing() == (1 if attempt < MAX_ATTEMPTS else 0)
    job.refresh_from_db()
    assert job.state == JobState.PARKED
    assert "5 times" in job.error


def test_a_parked_job_can_be_tried_again(job, sent, django_capture_on_commit_callbacks):
    ProcessingJob.objects.update(state=JobState.PARKED, attempts=5, error="It needed more memory than the limit.")
    with django_capture_on_commit_callbacks(execute=True):
        assert retry_job(job.pk).state == JobState.QUEUED
    assert sent == [job.pk]
    process_file(job.pk)
    assert retry_job(job.pk).state == JobState.DONE
    with pytest.raises(NotFound):
        retry_job(12345)


def test_a_file_that_is_claimed_again_is_not_processed_again(run, job, sent):
    process_file(job.pk)
    assign(run, "other", job.file)
    assert ProcessingJob.objects.get().state == JobState.DONE
