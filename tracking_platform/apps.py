from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """An app only so that `manage.py serve` exists; it has no models."""

    name = "tracking_platform"
    verbose_name = "Tracking Platform"
