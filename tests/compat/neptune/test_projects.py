"""Projects and workspaces on the Neptune wire."""

from __future__ import annotations

import pytest

from projects.access import actor_for_user
from projects.models import Scope
from projects.services.projects import create_organization, create_project
from tests.compat.neptune.conftest import ATTRIBUTES, BACKEND, BOARD


@pytest.mark.parametrize("identifier", ["lab/tutorial", "Lab/Tutorial", "uuid"])
def test_a_project_is_found_by_name_and_by_uuid(wire, project, identifier):
    identifier = str(project.uuid) if identifier == "uuid" else identifier
    answer = wire.get(f"{BACKEND}/projects/get", projectIdentifier=identifier)
    assert answer.json() == {
        "id": str(project.uuid),
        "name": "tutorial",
        "organizationName": "lab",
        "organizationId": str(project.organization.uuid),
        "projectKey": "TUT",
        "version": 2,
    }


@pytest.mark.parametrize("identifier", ["lab/none", "none/tutorial", "tutorial", "", "a/b/c", "\x00/x", "lab/tut\x00"])
def test_a_project_that_is_not_there_is_404(wire, identifier):
    assert wire.get(f"{BACKEND}/projects/get", projectIdentifier=identifier).status_code == 404


def test_a_project_of_others_looks_exactly_like_one_that_is_not_there(wire_of, charlie, project):
    outsider = wire_of(charlie)
    answers = [
        outsider.get(f"{BACKEND}/projects/get", projectIdentifier=identifier)
        for identifier in ("lab/tutorial", str(project.uuid), "lab/none")
    ]
    bodies = [{key: value for key, value in answer.json().items() if key != "request_id"} for answer in answers]
    assert {answer.status_code for answer in answers} == {404}
    assert bodies[0] == bodies[1]
    assert bodies[0]["title"]


def test_a_missing_parameter_is_told(wire):
    answer = wire.get(f"{BACKEND}/projects/get")
    assert answer.status_code == 400
    assert "projectIdentifier" in answer.json()["title"]


def test_all_visible_projects_are_listed_and_searched(wire, alice, project):
    create_project(actor=actor_for_user(alice), organization="lab", name="hidden")
    names = [entry["name"] for entry in wire.get(f"{BACKEND}/projects").json()["entries"]]
    assert names == ["tutorial"]
    found = wire.get(
        f"{BACKEND}/projects", searchTerm="UTOR", organizationIdentifier="lab", sortBy=["lastViewed"], limit=5
    ).json()
    assert found["matchingItemCount"] == 1
    assert wire.get(f"{BACKEND}/projects", searchTerm="zzz").json()["entries"] == []


@pytest.mark.parametrize("limit", ["-1", "x", "1.5", "٣"])
def test_a_limit_that_is_no_whole_number_is_refused(wire, limit):
    assert wire.get(f"{BACKEND}/projects", limit=limit).status_code == 400


def test_workspaces_are_those_the_person_belongs_to(wire_of, alice, charlie, project):
    create_organization(owner=charlie, name="others")
    answer = wire_of(alice).get(f"{BACKEND}/myOrganizations").json()
    assert answer == [{"id": str(project.organization.uuid), "name": "lab"}]


def test_a_projects_own_metadata_is_kept_in_a_container_of_its_uuid(wire, project):
    uuid = str(project.uuid)
    assert set(wire.attributes(uuid)) == {
        "sys/creation_time",
        "sys/group_tags",
        "sys/id",
        "sys/modification_time",
        "sys/monitoring_time",
        "sys/name",
        "sys/ping_time",
        "sys/running_time",
        "sys/size",
        "sys/state",
        "sys/tags",
        "sys/visibility",
    }
    assert wire.log(uuid, {"path": "dataset/version", "assignInt": {"value": 3}}) == []
    assert wire.attributes(uuid)["dataset/version"]["value"] == 3
    assert wire.attributes(uuid)["sys/visibility"]["value"] == "priv"
    for identifier in (uuid, "lab/tutorial/TUT"):
        assert wire.get(f"{BOARD}/experiments", experimentId=identifier).json()["type"] == "project"


def test_a_token_for_reading_does_not_log(alice, wire_of):
    reader = wire_of(alice, Scope.READ)
    run = wire_of(alice).create_run()["id"]
    assert reader.get(ATTRIBUTES, experimentId=run).status_code == 200
    answer = reader.post(f"{ATTRIBUTES}/operations", [], experimentId=run)
    assert answer.status_code == 403
