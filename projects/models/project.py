import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from projects.models.names import KEY_MAX_LENGTH, NAME_MAX_LENGTH, validate_key, validate_name
from projects.models.organization import Organization
from projects.querysets import ProjectQuerySet


class Visibility(models.TextChoices):
    PRIVATE = "private", "Private: the people added to it, and the organization's owners and admins"
    ORGANIZATION = "organization", "Organization: every member of the organization (not its guests)"
    PUBLIC = "public", "Public: anyone may read it, also without an account"


class ProjectRole(models.TextChoices):
    """Ordered: a viewer reads, a contributor also logs and edits, an owner also manages people and settings."""

    VIEWER = "viewer", "Viewer"
    CONTRIBUTOR = "contributor", "Contributor"
    OWNER = "owner", "Owner"


class Project(models.Model):
    """Holds the runs of one task. `key` begins the ids of its runs: key TUT gives TUT-1, TUT-2, …"""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="projects")
    name = models.CharField(max_length=NAME_MAX_LENGTH, validators=[validate_name])
    key = models.CharField(max_length=KEY_MAX_LENGTH, validators=[validate_key])
    description = models.TextField(blank=True, max_length=10_000)
    visibility = models.CharField(max_length=12, choices=Visibility.choices, default=Visibility.PRIVATE)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    trashed_at = models.DateTimeField(null=True, blank=True)
    last_run_number = models.PositiveIntegerField(default=0, editable=False)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="projects.ProjectMember", related_name="projects"
    )

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["organization__name", "name"]
        constraints = [
            models.UniqueConstraint("organization", Lower("name"), name="project_name_unique"),
            models.UniqueConstraint(fields=["organization", "key"], name="project_key_unique"),
        ]

    def __str__(self) -> str:
        return self.qualified_name

    @property
    def qualified_name(self) -> str:
        """`organization/project`, as the clients write it. Needs `organization` loaded."""
        return f"{self.organization.name}/{self.name}"


class ProjectMember(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="project_memberships")
    role = models.CharField(max_length=12, choices=ProjectRole.choices, default=ProjectRole.CONTRIBUTOR)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "user"]
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="project_member_unique")]

    def __str__(self) -> str:
        return f"{self.user} in {self.project} as {self.role}"
