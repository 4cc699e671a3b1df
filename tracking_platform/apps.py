from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """An app so that `manage.py serve` exists and tasks know their Celery application; it has no models."""

    name = "tracking_platform"
    verbose_name = "Tracking Platform"

    def ready(self) -> None:
        from tracking_platform import celery  # noqa: F401 - importing it makes it the one that tasks are sent with
