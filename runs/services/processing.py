"""What uploaded files still need: small previews of images, facts about checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from runs.models import StoredFile


def schedule(files: Sequence[StoredFile]) -> None:
    """Queue what these files need, in the caller's transaction."""
