"""The Celery application; its settings live with the others, under `CELERY_` in settings.py."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracking_platform.settings")

app = Celery("tracking_platform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
