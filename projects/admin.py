"""The operator's view of people, organizations, projects and tokens."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from projects.models import ApiToken, Organization, OrganizationMember, Project, ProjectMember, User


@admin.register(User)
class PersonAdmin(UserAdmin[User]):
    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "date_joined")
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Preferences", {"fields": ("time_zone", "theme")}))


class OrganizationMemberInline(admin.TabularInline[OrganizationMember, Organization]):
    model = OrganizationMember
    autocomplete_fields = ("user",)
    extra = 0


class ProjectMemberInline(admin.TabularInline[ProjectMember, Project]):
    model = ProjectMember
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    list_display = ("name", "display_name", "member_count", "project_count", "created_at")
    search_fields = ("name", "display_name")
    readonly_fields = ("uuid", "created_at")
    inlines = (OrganizationMemberInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        counts = {"members_n": Count("memberships", distinct=True), "projects_n": Count("projects", distinct=True)}
        return super().get_queryset(request).annotate(**counts)

    @admin.display(description="Members", ordering="members_n")
    def member_count(self, organization: Organization) -> int:
        return int(getattr(organization, "members_n", 0))

    @admin.display(description="Projects", ordering="projects_n")
    def project_count(self, organization: Organization) -> int:
        return int(getattr(organization, "projects_n", 0))


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin[Project]):
    list_display = ("name", "organization", "key", "visibility", "last_run_number", "created_at", "archived_at")
    list_filter = ("visibility", "created_at")
    list_select_related = ("organization",)
    search_fields = ("name", "key", "organization__name")
    autocomplete_fields = ("organization", "created_by")
    readonly_fields = ("uuid", "created_at", "last_run_number")
    inlines = (ProjectMemberInline,)


@admin.register(OrganizationMember)
class OrganizationMemberAdmin(admin.ModelAdmin[OrganizationMember]):
    list_display = ("user", "organization", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "organization")
    search_fields = ("user__username", "organization__name")
    autocomplete_fields = ("user", "organization")


@admin.register(ProjectMember)
class ProjectMemberAdmin(admin.ModelAdmin[ProjectMember]):
    list_display = ("user", "project", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "project__organization")
    search_fields = ("user__username", "project__name")
    autocomplete_fields = ("user", "project")


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Tokens can be looked at and revoked here, never read or made: the secret is not stored."""

    list_display = ("name", "public_id", "owner", "scope", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter = ("scope", "revoked_at", "created_at")
    list_select_related = ("owner",)
    search_fields = ("name", "public_id", "owner__username")
    fields = (
        "name",
        "public_id",
        "owner",
        "scope",
        "is_limited_to_projects",
        "projects",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "last_used_address",
        "last_used_client",
    )
    readonly_fields = tuple(name for name in fields if name not in {"expires_at", "revoked_at"})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
