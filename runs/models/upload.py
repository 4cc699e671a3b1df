import uuid

from django.db import models

from runs.models.file import StoredFile
from runs.models.run import Run


class Upload(models.Model):
    """A large file that arrives in parts. It becomes visible only when `finished_at` is set; unfinished ones expire."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="uploads")
    attribute_path = models.CharField(max_length=1024)
    # For a member of a file set: its path in the set; for a single file: None.
    member_path = models.CharField(max_length=1024, null=True, blank=True)  # noqa: DJ001
    extension = models.CharField(max_length=64, blank=True)
    total_length = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    file = models.ForeignKey(StoredFile, null=True, blank=True, on_delete=models.SET_NULL, related_name="uploads")
    range_mismatches = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.attribute_path} ({self.total_length} bytes)"


class UploadPart(models.Model):
    """Some bytes of an upload, from `first_byte` on. Sent again, a part replaces what came before."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField(help_text="Counted from 0.")
    first_byte = models.BigIntegerField()
    # A stored file that no attribute refers to, so it goes the way of all orphans once the part is gone.
    file = models.ForeignKey(StoredFile, on_delete=models.RESTRICT, related_name="upload_parts")

    class Meta:
        ordering = ["upload", "number"]
        constraints = [models.UniqueConstraint(fields=["upload", "number"], name="upload_part_unique")]

    def __str__(self) -> str:
        return f"part {self.number}"
