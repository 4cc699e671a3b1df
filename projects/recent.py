"""Answers that may be a little old, so that a stream of requests does not ask the same thing each time."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

clock = time.monotonic


class Recent(Generic[Key, Answer]):
    """Remembers up to `size` answers for `seconds` each, in this process; threads may share it."""

    def __init__(self, *, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._answers: dict[Key, tuple[float, Answer]] = {}

    def now(self) -> float:
        """The time by which answers become old."""
        return clock()

    def known(self, key: Key) -> Answer | None:
        """The answer for `key` if it is remembered; nothing is looked up."""
        known = self._answers.get(key)
        return known[1] if known is not None and clock() < known[0] else None

    def find(self, key: Key, look_up: Callable[[], Answer]) -> Answer:
        """The answer for `key`, which `look_up` began to find at most `seconds` ago. What it raises is not remembered,
        so a refusal is always decided anew."""
        now = clock()
        known = self._answers.get(key)
        if known is not None and now < known[0]:
            return known[1]
        answer = look_up()
        self.note(key, answer, since=now)
        return answer

    def note(self, key: Key, answer: Answer, *, since: float) -> None:
        """Remember an answer that someone began to find at this time, which is one of `now`."""
        if len(self._answers) >= self._size:
            self._answers = {}  # dearer ways to make room would not pay: none of them lives long
        self._answers[key] = (since + self._seconds, answer)
