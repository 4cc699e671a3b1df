from django.db import models
from django.db.models import Q

from projects.models import Project
from runs.models.run import Run

MAX_PATH_BYTES = 1024
MAX_INDEXED_TEXT = 256
MAX_TAG_LENGTH = 256


class AttributeKind(models.IntegerChoices):
    """The types an attribute may have; the first kind logged to a path of a run stays until the attribute is
    deleted."""

    FLOAT = 1, "float"
    INT = 2, "int"
    BOOL = 3, "bool"
    STRING = 4, "string"
    DATETIME = 5, "datetime"
    STRING_SET = 6, "string_set"
    FLOAT_SERIES = 7, "float_series"
    STRING_SERIES = 8, "string_series"
    FILE_SERIES = 9, "file_series"
    FILE = 10, "file"
    FILE_SET = 11, "file_set"
    ARTIFACT = 12, "artifact"
    GIT_REF = 13, "git_ref"
    RUN_STATE = 14, "run_state"

    @property
    def is_series(self) -> bool:
        return self in {AttributeKind.FLOAT_SERIES, AttributeKind.STRING_SERIES, AttributeKind.FILE_SERIES}


class AttributeDefinition(models.Model):
    """A path and kind that occur in a project. The kind is part of the identity, so an index over values is always of
    one kind: `acc` as float and `acc` as string have different ids."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="attribute_definitions")
    path = models.CharField(max_length=MAX_PATH_BYTES)
    kind = models.SmallIntegerField(choices=AttributeKind.choices)

    class Meta:
        ordering = ["path", "kind"]
        constraints = [models.UniqueConstraint(fields=["project", "path", "kind"], name="attribute_definition_unique")]
        indexes = [
            models.Index(
                fields=["project", "path"], opclasses=["int8_ops", "varchar_pattern_ops"], name="definition_prefix"
            )
        ]

    def __str__(self) -> str:
        return f"{self.path} ({self.get_kind_display()})"


class ValueFlag(models.IntegerChoices):
    """Bits of Attribute.flags. NaN has no place in an SQL order, so it is kept as a bit beside an empty `number`."""

    NAN = 1, "not a number"


class Attribute(models.Model):
    """The value of one attribute of one run, or the summary of a series: enough for tables without reading any point.

    number  float, int, bool (0/1), datetime (ms since 1970), or the value of a float series at its largest step
    text    the first 256 characters of a string (or of an int beyond 2**53, in decimal), sortable; `long_text` the
    whole
            when it is longer. For series of strings: the last line. For git references: JSON in `long_text`.
    count … sum_squares  series only: number of points; finite values only in minimum, maximum, sum, sum_squares
    last_step, last_ms   series only: the largest step, and the timestamp of its point (ms)
    unit, range_*        as the client configured the series (hardware gauges)
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attributes")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="attributes")
    flags = models.PositiveSmallIntegerField(default=0)
    number = models.FloatField(null=True)
    text = models.CharField(max_length=MAX_INDEXED_TEXT, null=True)  # noqa: DJ001 - absent is not the empty string
    long_text = models.TextField(null=True)  # noqa: DJ001
    count = models.BigIntegerField(default=0)
    last_step = models.FloatField(null=True)
    last_ms = models.BigIntegerField(null=True)
    minimum = models.FloatField(null=True)
    maximum = models.FloatField(null=True)
    total = models.FloatField(default=0)
    sum_squares = models.FloatField(default=0)
    finite_count = models.BigIntegerField(default=0)
    unit = models.CharField(max_length=32, blank=True)
    range_minimum = models.FloatField(null=True)
    range_maximum = models.FloatField(null=True)

    class Meta:
        ordering = ["run", "definition"]
        constraints = [models.UniqueConstraint(fields=["run", "definition"], name="attribute_unique")]
        indexes = [
            models.Index(
                fields=["definition", "number", "run"], name="attribute_number", condition=Q(number__isnull=False)
            ),
            # On PostgreSQL it is made by code points (COLLATE "C"), the order in which texts are sorted and compared.
            models.Index(fields=["definition", "text", "run"], name="attribute_text", condition=Q(text__isnull=False)),
            models.Index(fields=["definition", "run"], name="attribute_nan", condition=Q(flags__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.definition.path} of {self.run}"


class AttributeTag(models.Model):
    """One member of a string set (`sys/tags`, `sys/group_tags`)."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tags")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="tags")
    tag = models.CharField(max_length=MAX_TAG_LENGTH)

    class Meta:
        ordering = ["tag"]
        constraints = [models.UniqueConstraint(fields=["definition", "tag", "run"], name="attribute_tag_unique")]

    def __str__(self) -> str:
        return self.tag
