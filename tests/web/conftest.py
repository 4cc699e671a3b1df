from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import pytest
from django.test import Client

from projects.models import Project, User
from runs.models import AttributeKind, Run
from runs.operations import (
    AddFiles,
    AddTags,
    AppendFloats,
    AppendStrings,
    AssignFile,
    AssignValue,
    BatchIdentity,
    Operation,
)
from runs.series import store
from runs.services.attributes import forget_definitions
from runs.services.files import store_bytes
from runs.services.ingest import apply_operations
from runs.services.runs import create_run

_digests = itertools.count()


@pytest.fixture(autouse=True)
def _fresh_definitions() -> None:
    """Each test begins with an empty cache: the ids in it belong to the database of the test before."""
    forget_definitions()


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def run(project: Project, alice: User) -> Run:
    """A run with some of everything: values, series, lines of output, files, tags."""
    run, _ = create_run(project=project, owner=alice, name="first try")
    log(run, assign("parameters/lr", 0.1), assign("parameters/optimizer", "Adam"))
    log(run, floats("metrics/loss", [1.0, 0.5, 0.25]), strings("monitoring/abc/stdout", ["epoch 0", "\n"]))
    log(run, AddTags(path="sys/tags", tags=["digits"]))
    log(run, text_file(run, "reports/summary", "html", b"<h1>Report</h1><script>alert(1)</script>"))
    log(run, text_file(run, "reports/table", "csv", b"a,b\n1,2\n"))
    source = store_bytes(run, [b"import os\nprint('hello')\n"])
    log(run, AddFiles(path="source_code/files", members={"train.py": source}))
    store.flush(run.pk)
    return run


def assign(path: str, value: float | str) -> AssignValue:
    kind = AttributeKind.STRING if isinstance(value, str) else AttributeKind.FLOAT
    return AssignValue(path=path, kind=kind, value=value)


def floats(path: str, values: Sequence[float]) -> AppendFloats:
    return AppendFloats(path=path, values=values, steps=[None] * len(values), timestamps=[1000] * len(values))


def strings(path: str, values: Sequence[str]) -> AppendStrings:
    return AppendStrings(path=path, values=values, steps=[None] * len(values), timestamps=[1000] * len(values))


def text_file(run: Run, path: str, extension: str, content: bytes) -> AssignFile:
    return AssignFile(path=path, file=store_bytes(run, [content]), extension=extension, name=path.rpartition("/")[2])


def log(run: Run, *operations: Operation) -> None:
    """Apply operations as a request would, and insist that all were accepted."""
    result = apply_operations(run, operations, identity=BatchIdentity(digest=f"{next(_digests):064x}"))
    assert not result.errors


def make_runs(project: Project, owner: User, names: Iterable[str]) -> list[Run]:
    runs = []
    for name in names:
        run, _ = create_run(project=project, owner=owner, name=name)
        log(run, assign("parameters/lr", 0.1), floats("metrics/loss", [1.0, 0.5]))
        runs.append(run)
    return runs
