from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runs.models import Run
from runs.operations import AssignFile, BatchIdentity, Operation
from runs.services.ingest import apply_operations


@pytest.fixture
def storage_folder(tmp_path: Path) -> Path:
    """Where the blobs of this test are."""
    return tmp_path / "files"


def apply(run: Run, *operations: Operation) -> None:
    """Apply operations that must all succeed."""
    result = apply_operations(run, operations, identity=BatchIdentity(digest=uuid.uuid4().hex))
    assert result.errors == ()


def assign(run: Run, path: str, file, extension: str = "") -> None:
    apply(run, AssignFile(path=path, file=file, extension=extension))


def blobs_in(folder: Path) -> set[str]:
    """The keys of all stored bytes, temporary files included."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


_opened: list[tuple[str, int]] | None = None


def _note_opened(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(arguments[0], str):
        _opened.append((arguments[0], arguments[2]))


sys.addaudithook(_note_opened)


@pytest.fixture
def opened_files() -> Iterator[list[tuple[str, int]]]:
    """The files opened while the test runs, with the flags they were opened with."""
    global _opened
    _opened = []
    yield _opened
    _opened = None
