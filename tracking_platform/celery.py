"""The Celery application; its settings live with the others, under `CELERY_` in settings.py."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_prerun, worker_process_init
from django.db import close_old_connections

from tracking_platform.serving.processes import die_with_parent, name_process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracking_platform.settings")

app = Celery("tracking_platform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _tie_to_worker(**_: object) -> None:
    """A process that runs tasks ends with the worker it belongs to."""
    die_with_parent()
    name_process("task process")


@task_prerun.connect
def _check_connection(sender: Any = None, **_: object) -> None:
    """A connection is kept from task to task; one that broke meanwhile is closed, as at the start of a request."""
    if not sender.request.is_eager:
        close_old_connections()
