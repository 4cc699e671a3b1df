import uuid

from django.db import models

from runs.models.attribute import AttributeDefinition
from runs.models.run import Run

MAX_FILE_PATH_LENGTH = 1024


class StoredFile(models.Model):
    """Bytes in the file storage, under a key the server made. What people called the file is text, never part of a
    path.

    `facts` is what processing found (image size, checkpoint tensors, …); `media_type` comes from the bytes themselves.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="stored_files")
    storage_key = models.CharField(max_length=200, unique=True, editable=False)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=100, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # Set when nothing refers to the bytes any more; a sweeper removes them later, after looking again.
    orphaned_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.storage_key} ({self.size} bytes)"


class FileEntry(models.Model):
    """A file of a `file` attribute (`path` empty) or one member of a `file_set` (`path` inside the set,
    '/'-separated)."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="file_entries")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="file_entries")
    path = models.CharField(max_length=MAX_FILE_PATH_LENGTH, blank=True)
    name = models.CharField(max_length=MAX_FILE_PATH_LENGTH, help_text="The file name a download gets.")
    extension = models.CharField(max_length=64, blank=True, help_text="Without the dot.")
    file = models.ForeignKey(StoredFile, on_delete=models.RESTRICT, related_name="entries")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "file entries"
        ordering = ["run", "definition", "path"]
        constraints = [models.UniqueConstraint(fields=["run", "definition", "path"], name="file_entry_unique")]

    def __str__(self) -> str:
        return self.path or self.name


class FileSeriesEntry(models.Model):
    """One point of a series of files, such as a prediction image of every epoch."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="file_series_entries")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="file_series_entries")
    step = models.FloatField()
    timestamp_ms = models.BigIntegerField()
    name = models.CharField(max_length=1000, blank=True)
    description = models.TextField(blank=True)
    file = models.ForeignKey(StoredFile, on_delete=models.RESTRICT, related_name="series_entries")

    class Meta:
        verbose_name_plural = "file series entries"
        ordering = ["run", "definition", "step"]
        constraints = [models.UniqueConstraint(fields=["run", "definition", "step"], name="file_series_entry_unique")]

    def __str__(self) -> str:
        return f"step {self.step:g}"


class Thumbnail(models.Model):
    """A small WebP made from an image, `width` pixels wide at most."""

    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="thumbnails")
    size = models.PositiveSmallIntegerField(help_text="The longer side it was made for, in pixels.")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    storage_key = models.CharField(max_length=200, unique=True, editable=False)

    class Meta:
        ordering = ["file", "size"]
        constraints = [models.UniqueConstraint(fields=["file", "size"], name="thumbnail_unique")]

    def __str__(self) -> str:
        return f"{self.width}×{self.height}"
