"""Tasks about the platform itself."""

from celery import shared_task

from tracking_platform.health import note_task_heartbeat


@shared_task
def beat() -> None:
    note_task_heartbeat()
