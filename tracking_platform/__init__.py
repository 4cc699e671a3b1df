"""Wiring only: settings, URLs, the Celery application and the servers' entry points."""

from tracking_platform.celery import app as celery_app

__all__ = ["celery_app"]
