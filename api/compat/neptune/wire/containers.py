"""Projects, workspaces and runs as the clients read them, and what they send to create a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.compat.neptune.wire.values import BadValue, from_text, to_time
from projects.models import Organization, Project
from runs.models import ContainerKind, Run

WIRE_KINDS: dict[str, str] = {
    ContainerKind.RUN: "run",
    ContainerKind.PROJECT: "project",
    ContainerKind.MODEL: "model",
    ContainerKind.MODEL_VERSION: "modelVersion",
}
_MAX_REMOTES = 50


@dataclass(frozen=True, slots=True)
class NewRun:
    """What createExperiment asks for."""

    project: str
    custom_id: str | None
    git: Mapping[str, object] | None


def project(project: Project) -> dict[str, Any]:
    """The clients refuse projects whose version is not 2."""
    return {
        "id": str(project.uuid),
        "name": project.name,
        "organizationName": project.organization.name,
        "organizationId": str(project.organization.uuid),
        "projectKey": project.key,
        "version": 2,
    }


def organization(organization: Organization) -> dict[str, Any]:
    return {"id": str(organization.uuid), "name": organization.name}


def experiment(run: Run) -> dict[str, Any]:
    """A run, or the container of a project's own metadata."""
    return {
        "id": str(run.uuid),
        "shortId": run.sys_id,
        "type": WIRE_KINDS[run.kind],
        "organizationName": run.project.organization.name,
        "organizationId": str(run.project.organization.uuid),
        "projectName": run.project.name,
        "projectId": str(run.project.uuid),
        "parentId": str(run.parent.uuid if run.parent else run.project.uuid),
        "trashed": run.trashed_at is not None,
    }


def read_new_run(document: object) -> NewRun:
    """The createExperiment body. Raises BadValue for what can't be read, and for kinds other than runs."""
    if not isinstance(document, dict):
        raise BadValue("The body is not an object.")
    kind = document.get("type") or "run"
    if kind != "run":
        raise BadValue("This server does not keep models and model versions; only runs can be created.")
    custom_id = document.get("customId")
    return NewRun(
        project=from_text(document.get("projectIdentifier"), "The projectIdentifier"),
        custom_id=None if custom_id is None else from_text(custom_id, "The customId"),
        git=_git(document.get("gitInfo")),
    )


def _git(info: object) -> dict[str, object] | None:
    """The git reference; parts that are not what they should be are left out rather than stopping the run."""
    commit = info.get("commit") if isinstance(info, dict) else None
    if not isinstance(info, dict) or not isinstance(commit, dict):
        return None
    remotes = info.get("remotes")
    return {
        "commit_id": _optional_text(commit.get("commitId")),
        "message": _optional_text(commit.get("message")),
        "author_name": _optional_text(commit.get("authorName")),
        "author_email": _optional_text(commit.get("authorEmail")),
        "date": _date(commit.get("commitDate")),
        "is_dirty": bool(info.get("repositoryDirty")),
        "branch": _optional_text(info.get("currentBranch")),
        "remotes": [_optional_text(each) for each in remotes[:_MAX_REMOTES]] if isinstance(remotes, list) else [],
    }


def _optional_text(value: object) -> str | None:
    return from_text(value, "A text of the git info").replace("\x00", "")[:10_000] if isinstance(value, str) else None


def _date(value: object) -> str | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None:
            return None
        return to_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
