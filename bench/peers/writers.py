"""Programs in a peer's environment that log for it, where only its own library knows how."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.contenders import Unavailable

SCRIPTS = Path(__file__).resolve().parent / "scripts"
LIMIT_SECONDS = 600


def run_writers(
    commands: Sequence[Sequence[str]], environment: dict[str, str], begin: Callable[[], None] | None = None
) -> tuple[float, list[dict[str, Any]]]:
    """Start the programs, tell all to begin at once; seconds until the last was done, and what each answered.

    `begin` is called when all are ready."""
    pipe = subprocess.PIPE
    writers = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment)
        for command in commands
    ]
    try:
        if not all(_line(writer) == "ready\n" for writer in writers):
            raise Unavailable("its library could not begin to log")
        if begin:
            begin()
        started = time.monotonic()
        for writer in writers:
            writer.stdin.write("go\n")  # type: ignore[union-attr]
            writer.stdin.flush()  # type: ignore[union-attr]
        answers = [_line(writer) for writer in writers]
        seconds = time.monotonic() - started
        for writer in writers:
            writer.wait(LIMIT_SECONDS)
        return seconds, [json.loads(answer) for answer in answers]
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"its library failed to log: {error}") from error
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


def _line(writer: subprocess.Popen[str]) -> str:
    """The next line that is for us; libraries greet on the same stream."""
    assert writer.stdout is not None
    while line := writer.stdout.readline():
        if line == "ready\n" or line.startswith("{"):
            return line
    return ""
