from django.conf import settings
from django.db import models
from django.utils import timezone

from projects.models.project import Project


class Scope(models.TextChoices):
    """What a token allows, at most; the owner's roles limit it further. Each scope includes those before it."""

    READ = "read", "Read: see runs and download files"
    LOG = "log", "Log: also create runs and log to them"
    MANAGE = "manage", "Manage: also change projects, members and tokens"


class ApiToken(models.Model):
    """A secret that lets a script act for its owner. Only the secret's SHA-256 is stored, so a copy of the database
    opens nothing; the token itself is shown once, when it is made."""

    public_id = models.CharField(max_length=16, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=8, choices=Scope.choices, default=Scope.LOG)
    projects = models.ManyToManyField(
        Project, blank=True, related_name="+", help_text="Only these projects; none chosen means all of the owner's."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_address = models.GenericIPAddressField(null=True, blank=True, editable=False)
    last_used_client = models.CharField(max_length=200, blank=True, editable=False)
    is_limited_to_projects = models.BooleanField(
        default=False, help_text="On when projects were chosen, so that deleting them never widens the token."
    )

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())
