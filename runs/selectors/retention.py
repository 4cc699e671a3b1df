"""What the retention rules of projects govern, and what they would remove now."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Sum, Value
from django.utils import timezone

from runs.models import Attribute, AttributeKind, ContainerKind, RetentionRule, Run
from runs.models.run import PING_TIMEOUT
from runs.paths import below

# So long a rule waits after it was made or changed: what it would remove can be looked at first.
GRACE = timedelta(hours=1)
# Series of files are left alone: files have a life of their own.
_KINDS = (AttributeKind.FLOAT_SERIES, AttributeKind.STRING_SERIES)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule governs: the series of its project below `prefix`, but for those below a longer prefix in `nested`,
    of runs that have not been written to for `days`."""

    rule_id: int
    project_id: int
    prefix: str
    nested: tuple[str, ...]
    days: int
    changed_at: datetime
    settled_until: datetime | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """Tells whether the rule still governs the same series: that changes with the other rules of the project."""
        return hashlib.sha256("\n".join([self.prefix, *self.nested]).encode()).hexdigest()

    def series(self) -> QuerySet[Attribute]:
        """The series, of any run."""
        governed = Q(definition__project_id=self.project_id, definition__kind__in=_KINDS)
        if self.prefix:
            governed &= _below(self.prefix)
        for prefix in self.nested:
            governed &= ~_below(prefix)
        return Attribute.objects.filter(governed).order_by()

    def is_quiet(self, now: datetime, path: str = "") -> Q:
        """A filter for runs that the rule may take series from, if nobody is there. `path` leads to the run.

        One in the trash is left to the trash. What was looked at before is left out."""
        terms = {
            "project_id": self.project_id,
            "kind": ContainerKind.RUN,
            "trashed_at__isnull": True,
            "touched_at__lt": now - timedelta(days=self.days),
        }
        if self.settled_until is not None:
            terms["touched_at__gte"] = self.settled_until
        return Q(**{path + name: value for name, value in terms.items()})

    def runs(self, now: datetime) -> QuerySet[Run]:
        """The quiet runs that hold a series of the rule."""
        return Run.objects.filter(self.is_quiet(now), Exists(self.series().filter(run_id=OuterRef("pk"))))


def _below(prefix: str) -> Q:
    return below(prefix.removesuffix("/"), "definition__path")


def load_scopes(project_ids: Collection[int] | None = None) -> list[Scope]:
    """What each rule governs, of these projects or of all; those in the trash are left alone. One query."""
    rules = RetentionRule.objects.filter(project__trashed_at__isnull=True).order_by("pk")
    if project_ids is not None:
        rules = rules.filter(project_id__in=project_ids)
    prefixes: dict[int, list[str]] = {}
    for rule in rules:
        prefixes.setdefault(rule.project_id, []).append(rule.prefix)
    return [_scope(rule, prefixes[rule.project_id]) for rule in rules]


def _scope(rule: RetentionRule, prefixes: Sequence[str]) -> Scope:
    nested: list[str] = []
    # In order, so that what lies inside another nested one, and adds nothing, comes after it.
    for prefix in sorted(each for each in prefixes if each != rule.prefix and each.startswith(rule.prefix)):
        if not nested or not prefix.startswith(nested[-1]):
            nested.append(prefix)
    scope = Scope(rule.pk, rule.project_id, rule.prefix, tuple(nested), rule.days, rule.changed_at)
    return replace(scope, settled_until=rule.settled_until) if rule.settled_for == scope.digest else scope


@dataclass(frozen=True, slots=True)
class Removal:
    """What a rule would remove."""

    runs: int = 0
    series: int = 0
    points: int = 0


def would_remove(rules: Collection[RetentionRule]) -> dict[int, Removal]:
    """What each rule, by its id, would remove if it were applied now. Two queries for any number of rules."""
    wanted = {rule.pk for rule in rules}
    now = timezone.now()
    counted = [
        _counted(scope, now) for scope in load_scopes({rule.project_id for rule in rules}) if scope.rule_id in wanted
    ]
    found = dict.fromkeys(wanted, Removal())
    if counted:
        for rule_id, runs, series, points in counted[0].union(*counted[1:], all=True):
            found[rule_id] = Removal(runs, series, points or 0)
    return found


def _counted(scope: Scope, now: datetime) -> QuerySet[Attribute, tuple[int, int, int, int | None]]:
    is_alive = Q(run__last_ping_at__gte=now - PING_TIMEOUT)
    removed = scope.series().filter(scope.is_quiet(now, "run__") & ~is_alive)
    return (
        removed.annotate(rule=Value(scope.rule_id, IntegerField()))
        .values("rule")
        .annotate(runs=Count("run_id", distinct=True), series=Count("pk"), points=Sum("count"))
        .values_list("rule", "runs", "series", "points")
    )
