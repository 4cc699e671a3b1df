"""Checkpoints: what is known of their insides without loading them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from runs.models import JobState, Run
from runs.selectors.files import Checkpoint, checkpoints

MAX_CHECKPOINTS = 200
MAX_TENSORS = 300
_STEP = re.compile(r"(\d+)(?=\D*$)")


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint with its facts by name; `step` is the last number in its name, if there is one."""

    checkpoint: Checkpoint
    step: str
    is_waiting: bool
    dtypes: str

    @property
    def facts(self) -> dict[str, Any]:
        return self.checkpoint.facts

    @property
    def values(self) -> list[tuple[str, Any]]:
        """What is stored beside the tensors: epochs, losses."""
        found = self.checkpoint.facts.get("values")
        return found if isinstance(found, list) else []

    @property
    def tensors(self) -> list[dict[str, Any]]:
        found = self.checkpoint.facts.get("tensors")
        return found[:MAX_TENSORS] if isinstance(found, list) else []


def checkpoints_tab(run: Run, query: QueryDict) -> dict[str, Any]:
    return {"checkpoints": [_row(each) for each in checkpoints(run, limit=MAX_CHECKPOINTS)]}


def _row(checkpoint: Checkpoint) -> CheckpointRow:
    step = _STEP.search(checkpoint.path.rpartition("/")[2])
    sizes = checkpoint.facts.get("bytes")
    return CheckpointRow(
        checkpoint=checkpoint,
        step=step.group(1) if step else "",
        is_waiting=not checkpoint.facts and checkpoint.state not in {JobState.DONE, JobState.PARKED},
        dtypes=", ".join(sizes) if isinstance(sizes, dict) else "",
    )
