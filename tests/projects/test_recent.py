"""What is remembered for a while."""

from __future__ import annotations

from typing import Any

import pytest

from projects.recent import Recent


class Source:
    """Counts how often it is asked."""

    def __init__(self, clock: Any = None, takes: float = 0.0) -> None:
        self.asked = 0
        self._clock, self._takes = clock, takes

    def __call__(self) -> int:
        self.asked += 1
        if self._clock:
            self._clock.advance(self._takes)
        return self.asked


def test_an_answer_is_believed_for_its_time_and_no_longer(clock):
    recent: Recent[str, int] = Recent(size=9, seconds=1)
    source = Source()
    assert recent.find("a", source) == 1
    clock.advance(0.9)
    assert recent.find("a", source) == 1
    assert recent.find("b", source) == 2
    clock.advance(0.2)
    assert recent.find("a", source) == 3


def test_the_time_runs_from_before_the_look_up(clock):
    recent: Recent[str, int] = Recent(size=9, seconds=1)
    source = Source(clock, takes=1.1)
    recent.find("a", source)
    recent.find("a", source)
    assert source.asked == 2


def test_a_refusal_is_not_remembered():
    recent: Recent[str, int] = Recent(size=9, seconds=1)
    with pytest.raises(ZeroDivisionError):
        recent.find("a", lambda: 1 // 0)
    assert recent.find("a", lambda: 5) == 5


def test_no_more_than_its_size_is_kept():
    recent: Recent[int, int] = Recent(size=3, seconds=1)
    for number in range(100):
        recent.find(number, lambda: 0)
        assert len(recent._answers) <= 3
