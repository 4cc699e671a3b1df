from django.db import models

from runs.models.run import Run


class RejectedOperation(models.Model):
    """An operation that could not be applied, kept so that people can see on the run's page what was lost and why.

    `digest` identifies it, so a batch that is sent again does not list it twice.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="rejected_operations")
    received_at = models.DateTimeField(auto_now_add=True)
    path = models.CharField(max_length=1024)
    operation = models.CharField(max_length=64)
    code = models.CharField(max_length=64)
    message = models.TextField()
    excerpt = models.CharField(max_length=500, blank=True, help_text="The beginning of what was sent.")
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-received_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["run", "digest"], name="rejected_operation_unique")]

    def __str__(self) -> str:
        return f"{self.path}: {self.code}"
