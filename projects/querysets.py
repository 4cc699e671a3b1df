"""Reusable filters on projects. Who may see which is decided in projects/access.py alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from projects.models.project import Project  # noqa: F401 - named in the generic base below


class ProjectQuerySet(models.QuerySet["Project"]):
    def active(self) -> ProjectQuerySet:
        """Neither archived nor in the trash."""
        return self.filter(archived_at__isnull=True, trashed_at__isnull=True)
