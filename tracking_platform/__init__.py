"""Wiring only: settings, URLs, the Celery application and the servers' entry points."""
