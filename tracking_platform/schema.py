"""What the OpenAPI description covers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Endpoint = tuple[str, str, str, Callable[..., Any]]


def only_native_api(endpoints: Sequence[Endpoint], **_: Any) -> list[Endpoint]:
    """Leave out the Neptune wire: its documents are the ones its clients bring."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]
