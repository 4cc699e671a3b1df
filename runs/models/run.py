import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from projects.models import Project

# Official clients ping every 10 s; three missed pings and a little slack mean that nobody is there any more.
PING_TIMEOUT = timedelta(seconds=40)
# While points come in, touched_at moves once in so long: it is indexed, and to write an index for every batch is dear.
TOUCH_GRAIN = timedelta(seconds=1)


# The kind of a container that is being removed for good: none of those that anybody sees.
GONE = "gone"


class ContainerKind(models.TextChoices):
    """What a container of attributes is. Runs are the ones people see; a project's own metadata, models and model
    versions hold attributes in exactly the same way."""

    RUN = "run", "Run"
    PROJECT = "project", "Project metadata"
    MODEL = "model", "Model"
    MODEL_VERSION = "model_version", "Model version"


class RunState(models.TextChoices):
    RUNNING = "running", "Running"
    STALLED = "stalled", "Stalled"
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Stopped"


class Run(models.Model):
    """One execution that logs (or another container of attributes, see ContainerKind).

    What was logged is in Attribute rows; the columns here are what the platform itself knows. `sys_id` is the short id
    people use: project key and counter, TUT-3.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=16, choices=ContainerKind.choices, default=ContainerKind.RUN)
    sys_id = models.CharField(max_length=64, editable=False)
    number = models.PositiveIntegerField(editable=False)
    custom_id = models.CharField(max_length=730, null=True, blank=True)  # noqa: DJ001 - unique only where given
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="children")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    created_at = models.DateTimeField(default=timezone.now)
    # Last time anything was written, points possibly TOUCH_GRAIN later; see changed_at.
    touched_at = models.DateTimeField(default=timezone.now)
    # When any of its attribute rows, or its place in the trash, last changed: what is held in memory of many runs is
    # brought up to date by it (runs/selectors/vectors/). Points alone do not move it, their flush does.
    values_changed_at = models.DateTimeField(default=timezone.now, editable=False)
    last_ping_at = models.DateTimeField(null=True, blank=True)
    # Seconds during which the run was seen alive, over all its sessions (gaps between pings beyond the timeout left
    # out).
    running_seconds = models.FloatField(default=0)
    failed = models.BooleanField(default=False)
    stopped_at = models.DateTimeField(null=True, blank=True, help_text="When someone stopped it from the outside.")
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When a client said that it ended.")
    trashed_at = models.DateTimeField(null=True, blank=True)
    # Bytes of files, and the newest timestamp (ms) among its logged points: a batch that begins later repeats nothing.
    size_bytes = models.BigIntegerField(default=0)
    last_point_ms = models.BigIntegerField(default=0)
    # Counts removals of attributes: what a process remembers of the run's attributes holds while this stays the same.
    attributes_version = models.PositiveIntegerField(default=0, editable=False)
    # Counts changes of the chunks and of the summaries: a flush prepared outside the lock is written only if nobody
    # else changed them meanwhile.
    flush_count = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "sys_id"], name="run_sys_id_unique"),
            models.UniqueConstraint(
                fields=["project", "kind", "custom_id"],
                name="run_custom_id_unique",
                condition=Q(custom_id__isnull=False),
            ),
            models.UniqueConstraint(fields=["project"], name="run_one_project_container", condition=Q(kind="project")),
        ]
        indexes = [
            models.Index(fields=["project", "kind", "-created_at", "-id"], name="run_newest"),
            models.Index(fields=["project", "kind", "number"], name="run_number"),
            models.Index(fields=["project", "touched_at"], name="run_touched"),
            models.Index(fields=["project", "values_changed_at"], name="run_values_changed"),
            models.Index(fields=["project"], name="run_trashed", condition=Q(trashed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.sys_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saving the whole row may have moved it into the trash or elsewhere."""
        self.values_changed_at = timezone.now()
        super().save(*args, **kwargs)

    @property
    def changed_at(self) -> datetime:
        """Nothing was written after this moment. Whoever reads the same value again later may keep what it has."""
        return min(self.touched_at + TOUCH_GRAIN, timezone.now())

    @property
    def is_alive(self) -> bool:
        """Whether a client pinged lately."""
        return self.last_ping_at is not None and timezone.now() - self.last_ping_at <= PING_TIMEOUT

    @property
    def state(self) -> RunState:
        """From the last ping and how it ended. A client of the Neptune wire never says "finished": it stops pinging."""
        if self.failed:
            return RunState.FAILED
        if self.is_alive and self.finished_at is None:
            return RunState.RUNNING
        if self.stopped_at is not None:
            return RunState.STOPPED
        return RunState.FINISHED


class SignalKind(models.TextChoices):
    STOP = "stop", "Stop"
    ABORT = "abort", "Abort"


class RunSignal(models.Model):
    """A request to a live run, delivered to its client over the WebSocket."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="signals")
    kind = models.CharField(max_length=8, choices=SignalKind.choices)
    seconds = models.PositiveIntegerField(default=60, help_text="How long the client may take to send what it holds.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["run"], name="signal_waiting", condition=Q(delivered_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.kind} for {self.run}"
