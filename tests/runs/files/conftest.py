from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from runs.models import Run
from runs.operations import AssignFile, BatchIdentity, Operation


@pytest.fixture
def storage_folder(tmp_path: Path) -> Path:
    """Where the blobs of this test are."""
    return tmp_path / "files"


def apply(run: Run, *operations: Operation) -> None:
    """Apply operations that must all succeed."""
    from runs.services.ingest import apply_operations

    result = apply_operations(run, operations, identity=BatchIdentity(digest=uuid.uuid4().hex))
    assert result.errors == ()


def assign(run: Run, path: str, file, extension: str = "") -> None:
    apply(run, AssignFile(path=path, file=file, extension=extension))


def blobs_in(folder: Path) -> set[str]:
    """The keys of all stored bytes, temporary files included."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
