"""Background tasks. Each takes ids, calls one service and owns its time limits; each may run twice or be lost, since
the database knows what is to be done."""

from __future__ import annotations

from celery import shared_task

from runs.files.limits import memory_limit
from runs.series import flush_pending
from runs.services import processing, purging, retention, sweeping

PROCESSING_SECONDS = 40
PROCESSING_MEMORY = 1024**3


@shared_task(soft_time_limit=PROCESSING_SECONDS, time_limit=PROCESSING_SECONDS + 20)
def process_file(job_id: int) -> None:
    """Make the previews or facts of one uploaded file."""
    with memory_limit(PROCESSING_MEMORY):
        processing.run_job(job_id)


@shared_task
def flush_series() -> None:
    """Move points that wait in the log into chunks; run every few seconds."""
    flush_pending()


@shared_task
def requeue_processing() -> None:
    """Find processing jobs whose message or worker was lost; run every half minute."""
    processing.requeue_processing()


@shared_task
def remove_abandoned_uploads() -> None:
    """Forget what was never finished; run every few minutes."""
    sweeping.remove_abandoned_uploads()
    sweeping.forget_old_batches()
    sweeping.forget_old_sessions()


@shared_task
def purge_trash() -> None:
    """Remove runs for good that have been in the trash long enough; run every few minutes."""
    purging.purge_trash()


@shared_task
def apply_retention() -> None:
    """Remove series that the rules of their projects no longer keep; run every few minutes."""
    retention.apply_retention()


@shared_task
def remove_unreferenced_files() -> None:
    """Remove files that nothing refers to; run every hour."""
    sweeping.remove_unreferenced_files()
