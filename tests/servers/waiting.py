import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(condition: Callable[[], Found], *, seconds: float = 30.0, what: str = "the condition") -> Found:
    """The first truthy result of `condition`; AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"Waited {seconds:.0f} s for {what} in vain."
        time.sleep(0.05)
    return found
