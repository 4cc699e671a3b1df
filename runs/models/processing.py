from django.db import models
from django.db.models import Q
from django.utils import timezone

from runs.models.file import StoredFile


class JobKind(models.TextChoices):
    IMAGE = "image", "Thumbnails of an image"
    CHECKPOINT = "checkpoint", "Facts about a checkpoint"


class JobState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    PARKED = "parked", "Parked after repeated failures"


class ProcessingJob(models.Model):
    """Work that an uploaded file still needs. This row, not the message in the broker, says what is to be done: a
    sweeper queues again whatever was lost, and `lease_until` tells a dead worker's job from one in progress."""

    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=16, choices=JobKind.choices)
    state = models.CharField(max_length=8, choices=JobState.choices, default=JobState.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    # When queued: not to be taken before `due_at`, and `sent_at` is when the broker last got a message about it.
    due_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why the last attempt failed, in words for people.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["file", "kind"], name="processing_job_unique")]
        indexes = [
            models.Index(fields=["due_at"], name="processing_job_open", condition=Q(state__in=["queued", "running"]))
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.file_id}: {self.state}"
