"""How points lie in the database: a log row per request, flushed to chunks per series. Only runs/series/ reads
these."""

from django.db import models

from runs.models.attribute import AttributeDefinition
from runs.models.run import Run


class BatchLog(models.Model):
    """The points of one request, as they came (level 0). `id` is the order in which requests were committed: whoever
    adds a row holds the lock on the run's row.

    A large request has several rows, told apart by `part`. A row without points is only a mark that the batch came.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+", db_index=False)
    writer = models.IntegerField(default=0)
    seq = models.BigIntegerField()
    part = models.PositiveIntegerField(default=0)
    point_count = models.PositiveIntegerField()
    first_ms = models.BigIntegerField()
    last_ms = models.BigIntegerField()
    payload = models.BinaryField()

    class Meta:
        verbose_name = "log row"
        constraints = [models.UniqueConstraint(fields=["run", "writer", "seq", "part"], name="batch_log_unique")]
        indexes = [models.Index(fields=["run", "id"], name="batch_log_order")]

    def __str__(self) -> str:
        return f"{self.point_count} points of run {self.run_id}"


class Writer(models.Model):
    """A process that numbers its batches. `last_seq` is the highest sequence number up to which all batches arrived and
    were flushed; a batch at or below it is a repetition, unless it is in one of the `gaps` ([first, last]) that were
    passed over."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    number = models.IntegerField()
    uuid = models.UUIDField()
    last_seq = models.BigIntegerField(default=0)
    gaps = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="writer_number_unique"),
            models.UniqueConstraint(fields=["run", "uuid"], name="writer_uuid_unique"),
        ]

    def __str__(self) -> str:
        return f"writer {self.number} of run {self.run_id}"


class ReceivedBatch(models.Model):
    """Remembers a batch that carried no sequence number, by the digest of its operations, for as long as its client may
    send it again, with the answer it got."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    received_at = models.DateTimeField(auto_now_add=True)
    errors = models.JSONField(default=list)
    # The span of its points, and twelve bytes per series that tell how each one began and how many points it had: a
    # batch that was cut later before it was sent again begins in the same way.
    first_ms = models.BigIntegerField(default=0)
    last_ms = models.BigIntegerField(default=0)
    heads = models.BinaryField(default=bytes)

    class Meta:
        verbose_name_plural = "received batches"
        constraints = [models.UniqueConstraint(fields=["run", "digest"], name="received_batch_unique")]
        indexes = [models.Index(fields=["run", "last_ms"], name="received_batch_span")]

    def __str__(self) -> str:
        return self.digest


class LogSession(models.Model):
    """A session of the Neptune wire that has logged points to the run. A client cuts its queue into other batches only
    after a restart, that is in a new session, so only the first batch of a session is examined for repeated points."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    session = models.UUIDField()
    # All that it sent so far was stored before: the client still sends what its predecessor had sent.
    is_repeating = models.BooleanField(default=False)
    opened_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "session"], name="log_session_unique")]

    def __str__(self) -> str:
        return f"session {self.session} of run {self.run_id}"


class Chunk(models.Model):
    """Consecutive points of one series, see runs/series/chunks.py for the encoding. The chunks of a series never
    overlap in step.

    `level` is 1 for a chunk that later points may be added to, 2 for a full one. `generation` is the id of the newest
    log row that put points before points already stored, 0 if none ever did: by it a reader learns that what it holds
    has changed. `finite_count` … `sum_squares` are the statistics of a full chunk of floats (see
    runs/series/statistics.py), empty in others: with them a series is counted anew without reading it. The outline of a
    full chunk of floats says so much of it that a chart of a long series reads nothing else, see
    runs/series/rollups.py. It and the rollups stand before `data` so that reading one does not drag in the other.

    A flush of a wide run adds a chunk per series and pass, so a chunk has no index and no check it can do without: it
    is written under the lock on its run's row, and goes with its run, which has the definition's project.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    definition = models.ForeignKey(
        AttributeDefinition, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    first_step = models.FloatField()
    generation = models.BigIntegerField()
    last_step = models.FloatField()
    first_ms = models.BigIntegerField()
    last_ms = models.BigIntegerField()
    point_count = models.PositiveIntegerField()
    level = models.PositiveSmallIntegerField()
    codec = models.PositiveSmallIntegerField()
    checksum = models.BigIntegerField()
    finite_count = models.IntegerField(null=True)
    minimum = models.FloatField(null=True)
    maximum = models.FloatField(null=True)
    total = models.FloatField(null=True)
    sum_squares = models.FloatField(null=True)
    outline = models.BinaryField(null=True)
    rollup_512 = models.BinaryField(null=True)
    rollup_64 = models.BinaryField(null=True)
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "definition", "first_step"], name="chunk_unique")]
        indexes = [models.Index(fields=["run", "definition"], name="chunk_open", condition=models.Q(level=1))]

    def __str__(self) -> str:
        return f"{self.point_count} points of series {self.definition_id} of run {self.run_id}"


class DamagedChunk(models.Model):
    """A chunk whose bytes do not fit their checksum, set aside by the flush that had to change it. Its points are
    missing from the series; the bytes are kept, should somebody be able to mend them."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="+")
    found_at = models.DateTimeField(auto_now_add=True)
    first_step = models.FloatField()
    last_step = models.FloatField()
    first_ms = models.BigIntegerField()
    last_ms = models.BigIntegerField()
    point_count = models.PositiveIntegerField()
    codec = models.PositiveSmallIntegerField()
    checksum = models.BigIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["-found_at"]

    def __str__(self) -> str:
        return f"{self.point_count} damaged points of series {self.definition_id} of run {self.run_id}"
