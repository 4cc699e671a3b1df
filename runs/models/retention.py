"""How long the series of a project's runs are kept."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from projects.models import Project
from runs.models.attribute import MAX_PATH_BYTES

MAX_DAYS = 36_500
MAX_RULES_PER_PROJECT = 50
_PREFIX = re.compile(r"(?:[^/\x00-\x1f\x7f]+/)*")


class RetentionRule(models.Model):
    """Series below a namespace are removed so many days after their run was last written to. Of several rules that
    match a series, the one with the longest prefix decides.

    `prefix` ends with '/', as in `monitoring/`; empty, it is every series. `settled_until` spares a round from looking
    again at what it has looked at: no run last written to before holds a series of the rule, as long as the rule
    governs what it did then, which `settled_for` tells (see runs/selectors/retention.py).
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="retention_rules")
    prefix = models.CharField(
        max_length=MAX_PATH_BYTES,
        blank=True,
        help_text="A namespace, such as monitoring/. Empty: every series that no other rule matches.",
    )
    days = models.PositiveIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(MAX_DAYS)],
        help_text="How long after the run was last written to its series are removed. They can't be brought back.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # A rule waits for a while after it was changed, see runs/selectors/retention.py.
    changed_at = models.DateTimeField(auto_now=True)
    settled_until = models.DateTimeField(null=True, editable=False)
    settled_for = models.CharField(max_length=64, default="", editable=False)

    class Meta:
        ordering = ["project", "prefix"]
        constraints = [
            models.UniqueConstraint(fields=["project", "prefix"], name="retention_rule_unique"),
            models.CheckConstraint(condition=Q(days__gte=1, days__lte=MAX_DAYS), name="retention_rule_days"),
            # Without the '/', `monitoring` would also be a prefix of `monitoringx`.
            models.CheckConstraint(condition=Q(prefix="") | Q(prefix__endswith="/"), name="retention_rule_prefix"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix or 'every series'}: {self.days} days"

    def clean(self) -> None:
        """Write the prefix as it is stored: people type `monitoring` and `/monitoring/`, too."""
        name = self.prefix.strip("/")
        self.prefix = f"{name}/" if name else ""
        if not _PREFIX.fullmatch(self.prefix) or len(self.prefix.encode()) > MAX_PATH_BYTES:
            raise ValidationError({"prefix": "This is not the path of a namespace."})
        others = RetentionRule.objects.filter(project_id=self.project_id).exclude(pk=self.pk)
        if others.count() >= MAX_RULES_PER_PROJECT:
            raise ValidationError(f"A project has at most {MAX_RULES_PER_PROJECT} retention rules.")
