from projects.models.organization import Organization, OrganizationMember, OrganizationRole
from projects.models.project import Project, ProjectMember, ProjectRole, Visibility
from projects.models.token import ApiToken, Scope
from projects.models.user import User

__all__ = [
    "ApiToken",
    "Organization",
    "OrganizationMember",
    "OrganizationRole",
    "Project",
    "ProjectMember",
    "ProjectRole",
    "Scope",
    "User",
    "Visibility",
]
