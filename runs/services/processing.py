"""What uploaded files still need: small previews of images, facts about checkpoints.

The ProcessingJob row says what is to be done; a message in the broker only says that somebody should look. A worker
takes a job by a lease, so one at a time does it, and a job whose worker died is taken up again. What fails for a reason
that may pass is tried again later; after MAX_ATTEMPTS it is parked with the reason. A file that simply can't be read is
no failure: its facts say so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from projects.exceptions import NotFound, Unavailable
from runs.files.media_types import CHECKPOINTS, PREVIEWED_IMAGES
from runs.models import JobKind, JobState, ProcessingJob, StoredFile
from runs.services.previews import describe_checkpoint, make_thumbnails

logger = logging.getLogger(__name__)

TASK = "runs.tasks.process_file"
MAX_ATTEMPTS = 5
# Longer than the hard time limit of the task: whoever holds a lease past its end is dead.
LEASE = timedelta(seconds=90)
# A message that was not acted upon for so long is taken for lost.
RESEND_AFTER = timedelta(seconds=60)
FIRST_DELAY = timedelta(seconds=5)
MAX_SENT_AT_ONCE = 500
SILENCE_SECONDS = 30.0
# The sender of a file waits while we talk to the broker, so we do not try for long; in seconds.
_IMPATIENT = {
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
}
_silent_until = 0.0

_WORK: dict[str, Callable[[StoredFile], None]] = {
    JobKind.IMAGE: make_thumbnails,
    JobKind.CHECKPOINT: describe_checkpoint,
}


def kind_for(file: StoredFile) -> JobKind | None:
    """The work that a file of this type needs."""
    if file.media_type in PREVIEWED_IMAGES:
        return JobKind.IMAGE
    return JobKind.CHECKPOINT if file.media_type in CHECKPOINTS else None


def schedule(files: Sequence[StoredFile]) -> None:
    """Note what these files need, in the caller's transaction; workers are told after the commit."""
    needs = [(file, kind) for file in files if (kind := kind_for(file)) is not None]
    if not needs:
        return
    now = timezone.now()
    ProcessingJob.objects.bulk_create(
        [ProcessingJob(file=file, kind=kind, due_at=now, sent_at=now) for file, kind in needs], ignore_conflicts=True
    )
    queued = ProcessingJob.objects.filter(file__in=[file for file, _ in needs], state=JobState.QUEUED)
    transaction.on_commit(partial(_send, list(queued.values_list("pk", flat=True))), robust=True)


def _send(job_ids: Sequence[int]) -> None:
    """Tell the workers. A broker that is away loses nothing, since the sweeper tells them again, and delays nobody
    much: after a failure it is left alone for a while."""
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        with current_app.connection_for_write(transport_options=_IMPATIENT) as connection:
            for job_id in job_ids:
                current_app.signature(TASK, args=(job_id,)).apply_async(connection=connection, retry=False)
    except Exception:
        _silent_until = time.monotonic() + SILENCE_SECONDS
        logger.warning("The broker took no message about %s jobs; they are sent again later", len(job_ids))


def run_job(job_id: int) -> None:
    """Do a job unless it is done, not due, or somebody else's at the moment. Doing it twice changes nothing."""
    job = _take(job_id)
    if job is None:
        return
    try:
        _WORK[job.kind](job.file)
    except Exception as error:
        logger.warning("Job %s (%s of %s) failed", job.pk, job.kind, job.file.storage_key, exc_info=True)
        _fail(job, _reason(error))
    else:
        _held(job).update(state=JobState.DONE, lease_until=None, error="")


def _take(job_id: int) -> ProcessingJob | None:
    now = timezone.now()
    free = Q(state=JobState.QUEUED, due_at__lte=now) | Q(state=JobState.RUNNING, lease_until__lte=now)
    taken = ProcessingJob.objects.filter(free, pk=job_id, attempts__lt=MAX_ATTEMPTS).update(
        state=JobState.RUNNING, attempts=F("attempts") + 1, lease_until=now + LEASE
    )
    return ProcessingJob.objects.select_related("file").get(pk=job_id) if taken else None


def _held(job: ProcessingJob) -> QuerySet[ProcessingJob]:
    """The job as long as our lease on it holds: a later worker has a higher number of attempts."""
    return ProcessingJob.objects.filter(pk=job.pk, state=JobState.RUNNING, attempts=job.attempts)


def _fail(job: ProcessingJob, reason: str) -> None:
    if job.attempts >= MAX_ATTEMPTS:
        _held(job).update(state=JobState.PARKED, lease_until=None, error=reason)
        return
    delay = FIRST_DELAY * 2 ** (job.attempts - 1)
    _held(job).update(
        state=JobState.QUEUED, lease_until=None, error=reason, due_at=timezone.now() + delay, sent_at=None
    )


def _reason(error: Exception) -> str:
    """Why a job failed, in words for people; no paths and no internals."""
    if isinstance(error, SoftTimeLimitExceeded):
        return "It took longer than the time limit."
    if isinstance(error, MemoryError):
        return "It needed more memory than the limit."
    if isinstance(error, Unavailable):
        return error.message
    return f"An unexpected error happened ({type(error).__name__}); the server's log says more."


def requeue_processing() -> int:
    """Take up what was lost: messages that never came, jobs whose worker died. Returns how many jobs were sent."""
    now = timezone.now()
    lost = ProcessingJob.objects.filter(state=JobState.RUNNING, lease_until__lte=now)
    lost.filter(attempts__gte=MAX_ATTEMPTS).update(
        state=JobState.PARKED,
        lease_until=None,
        error=f"The worker ended without a word {MAX_ATTEMPTS} times while doing this, probably out of memory or time.",
    )
    lost.update(
        state=JobState.QUEUED, lease_until=None, due_at=now, sent_at=None, error="The worker ended without a word."
    )
    unheard = Q(sent_at__isnull=True) | Q(sent_at__lte=now - RESEND_AFTER)
    due = ProcessingJob.objects.filter(unheard, state=JobState.QUEUED, due_at__lte=now).order_by("due_at")
    job_ids = list(due.values_list("pk", flat=True)[:MAX_SENT_AT_ONCE])
    ProcessingJob.objects.filter(pk__in=job_ids).update(sent_at=now)
    _send(job_ids)
    return len(job_ids)


@transaction.atomic
def retry_job(job_id: int) -> ProcessingJob:
    """Give a parked job another round of attempts. One that is not parked stays as it is."""
    now = timezone.now()
    parked = ProcessingJob.objects.filter(pk=job_id, state=JobState.PARKED)
    if parked.update(state=JobState.QUEUED, attempts=0, due_at=now, sent_at=now):
        transaction.on_commit(partial(_send, [job_id]), robust=True)
    job = ProcessingJob.objects.filter(pk=job_id).first()
    if job is None:
        raise NotFound
    return job
