"""Creating, finding, pinging and trashing runs on the Neptune wire."""

from __future__ import annotations

import uuid

import pytest

from runs.models import Run
from tests.compat.neptune.conftest import ATTRIBUTES, BOARD

EXPERIMENTS = f"{BOARD}/experiments"


def test_a_created_run_is_answered_as_the_clients_read_it(wire, project):
    answer = wire.create_run(parentId=str(project.uuid), cliVersion="1.14.0.post2")
    assert answer == {
        "id": str(Run.objects.get().uuid),
        "shortId": "TUT-1",
        "type": "run",
        "organizationName": "lab",
        "organizationId": str(project.organization.uuid),
        "projectName": "tutorial",
        "projectId": str(project.uuid),
        "parentId": str(project.uuid),
        "trashed": False,
    }


def test_a_custom_id_gives_the_same_run_again(wire):
    first = wire.create_run(customId="job-7")
    assert wire.create_run(customId="job-7")["id"] == first["id"]
    assert wire.create_run(customId="job-8")["id"] != first["id"]
    assert wire.attributes(first["id"])["sys/custom_run_id"]["value"] == "job-7"


def test_a_new_run_has_its_system_attributes_and_no_git_reference(wire, run):
    attributes = wire.attributes(run)
    types = {path: properties["type"] for path, properties in attributes.items()}
    assert types == {
        "sys/id": "string",
        "sys/name": "string",
        "sys/owner": "string",
        "sys/state": "experimentState",
        "sys/trashed": "bool",
        "sys/creation_time": "datetime",
        "sys/modification_time": "datetime",
        "sys/ping_time": "datetime",
        "sys/monitoring_time": "int",
        "sys/running_time": "float",
        "sys/size": "float",
    }
    assert attributes["sys/state"]["value"] == "running"
    assert attributes["sys/creation_time"]["value"].endswith("Z")


def test_git_information_becomes_the_runs_git_reference(wire):
    commit = {
        "commitId": "2a3b",
        "message": "x",
        "authorName": "n",
        "authorEmail": "a@b",
        "commitDate": "2026-11-23T03:25:18Z",
    }
    created = wire.create_run(
        gitInfo={"commit": commit, "repositoryDirty": True, "currentBranch": "main", "remotes": []}
    )
    reference = wire.attributes(created["id"])["source_code/git"]
    assert reference["commit"]["commitId"] == "2a3b"
    assert reference["currentBranch"] == "main"
    assert reference["repositoryDirty"] is True


@pytest.mark.parametrize("form", ["uuid", "name"])
def test_a_run_is_found_by_uuid_and_by_its_qualified_name(wire, form):
    created = wire.create_run()
    identifier = created["id"] if form == "uuid" else "lab/tutorial/TUT-1"
    assert wire.get(EXPERIMENTS, experimentId=identifier).json() == created
    assert wire.post(f"{ATTRIBUTES}/ping", experimentId=identifier).status_code == 200


@pytest.mark.parametrize(
    "identifier", ["lab/tutorial/TUT-9", "lab/none/TUT-1", "x", "", str(uuid.uuid4()), "a/b/c/d", "lab/tutorial/\x00"]
)
def test_a_run_that_is_not_there_has_the_name_the_clients_know(wire, run, identifier):
    answer = wire.get(EXPERIMENTS, experimentId=identifier)
    assert answer.status_code == 404
    assert answer.json()["errorType"] == "EXPERIMENT_NOT_FOUND"
    # Elsewhere the name would hide what a 404 means there.
    other = wire.get(ATTRIBUTES, experimentId=identifier)
    assert other.status_code == 404
    assert other.json()["errorType"] != "EXPERIMENT_NOT_FOUND"


def test_a_run_of_others_is_not_there(wire_of, run, charlie):
    outsider = wire_of(charlie)
    for answer in (
        outsider.get(EXPERIMENTS, experimentId=run),
        outsider.get(ATTRIBUTES, experimentId=run),
        outsider.post(f"{ATTRIBUTES}/operations", [], experimentId=run),
        outsider.post(f"{ATTRIBUTES}/ping", experimentId=run),
    ):
        assert answer.status_code == 404


def test_a_viewer_reads_but_does_not_log(wire_of, run, dana, project):
    viewer = wire_of(dana)
    assert viewer.get(ATTRIBUTES, experimentId=run).status_code == 200
    for answer in (
        viewer.post(f"{ATTRIBUTES}/operations", [], experimentId=run),
        viewer.post(f"{ATTRIBUTES}/ping", experimentId=run),
        viewer.post(EXPERIMENTS, {"projectIdentifier": str(project.uuid)}),
        viewer.post(f"{ATTRIBUTES}/storage/file/upload", b"x", experimentIdentifier=run, attribute="a", ext=""),
        viewer.post(f"{EXPERIMENTS}/trash", ["lab/tutorial/TUT-1"], projectIdentifier="lab/tutorial"),
    ):
        assert answer.status_code == 403
        assert "contributor" in answer.json()["title"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"projectIdentifier": 3}', b'{"type": "model"}', b"{}"])
def test_a_bad_creation_is_refused_and_creates_nothing(wire, body):
    assert wire.post(EXPERIMENTS, body).status_code == 400
    assert not Run.objects.exists()


@pytest.mark.parametrize("custom_id", ["", "x" * 1000, "a\x00b"])
def test_a_custom_id_that_is_none_is_refused(wire, project, custom_id):
    answer = wire.post(EXPERIMENTS, {"projectIdentifier": str(project.uuid), "customId": custom_id})
    assert answer.status_code == 400


def test_runs_are_put_into_the_trash_one_by_one(wire, run):
    answer = wire.post(
        f"{EXPERIMENTS}/trash", ["lab/tutorial/TUT-1", "lab/tutorial/TUT-9"], projectIdentifier="lab/tutorial"
    ).json()
    assert answer["updatedExperimentIdentifiers"] == ["lab/tutorial/TUT-1"]
    assert [error["reason"] for error in answer["errors"]] == ["NOT_EXISTS"]
    again = wire.post(f"{EXPERIMENTS}/trash", ["lab/tutorial/TUT-1"], projectIdentifier="lab/tutorial").json()
    assert [error["reason"] for error in again["errors"]] == ["ALREADY_TRASHED"]
    assert wire.get(EXPERIMENTS, experimentId=run).json()["trashed"] is True
    assert wire.attributes(run)["sys/trashed"]["value"] is True
