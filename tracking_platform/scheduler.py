"""The scheduler's Celery application: it sends messages on time, so it loads neither Django's apps nor the tasks."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracking_platform.settings")

app = Celery("tracking_platform", fixups=[])
app.config_from_object("django.conf:settings", namespace="CELERY")
