"""The images inside a batch of operations: put aside while the batch is read, stored together, then linked to it."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from api.compat.neptune.wire.operations import MAX_IMAGE_BYTES, ImagePoint, LogImages
from runs import blobs
from runs.models import Run, StoredFile
from runs.operations import AppendFiles, FilePoint, Operation
from runs.services.files import publish


class ImageShelf:
    """Keeps decoded images in temporary files, so that memory holds one at a time, and removes what was not stored."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._spooled: list[blobs.Spooled] = []

    def __enter__(self) -> ImageShelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for piece in self._spooled:
            piece.path.unlink(missing_ok=True)

    def keep(self, content: bytes) -> int:
        """Put an image aside; returns its number."""
        self._spooled.append(blobs.spool([content], MAX_IMAGE_BYTES))
        return len(self._spooled) - 1

    def stored(self, operations: Sequence[Operation]) -> list[Operation]:
        """The operations, with images stored in place of those put aside."""
        files = publish(self._run, self._spooled) if self._spooled else []
        return [_linked(each, files) if isinstance(each, LogImages) else each for each in operations]


def _linked(operation: LogImages, files: Sequence[StoredFile]) -> AppendFiles:
    points = [_point(point, files[point.image]) for point in operation.points]
    return AppendFiles(path=operation.path, index=operation.index, points=points)


def _point(point: ImagePoint, file: StoredFile) -> FilePoint:
    return FilePoint(
        file=file, step=point.step, timestamp=point.timestamp, name=point.name, description=point.description
    )
