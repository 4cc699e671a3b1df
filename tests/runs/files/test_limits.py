from __future__ import annotations

import io
import subprocess
import sys

import pytest

from runs.files.limits import Deadline, LimitedReader, LimitExceeded

GREEDY = """
from runs.files.limits import memory_limit
with memory_limit(200 * 1024**2):
    small = bytearray(50 * 1024**2)
    try:
        bytearray(400 * 1024**2)
    except MemoryError:
        print("refused")
print(len(bytearray(400 * 1024**2)))
"""


def test_memory_beyond_the_limit_is_refused_and_only_inside_it():
    """In a process of its own: this one's memory is none of the test's business."""
    done = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", str(400 * 1024**2)]


def test_a_deadline_in_the_past_stops_the_work():
    Deadline(100).check()
    with pytest.raises(LimitExceeded, match="longer than"):
        Deadline(-1).check()


@pytest.mark.parametrize(("wanted", "is_allowed"), [(9, True), (10, True), (11, False), (-1, False), (2**62, False)])
def test_one_read_takes_no_more_than_allowed(wanted, is_allowed):
    reader = LimitedReader(io.BytesIO(b"x" * 100), 10, 1000)
    if is_allowed:
        assert len(reader.read(wanted)) == wanted
        return
    with pytest.raises(LimitExceeded):
        reader.read(wanted)


def test_all_reads_together_take_no_more_than_allowed():
    reader = LimitedReader(io.BytesIO(b"x" * 100), 10, 25)
    assert len(reader.read(10)) == len(reader.read(10)) == 10
    with pytest.raises(LimitExceeded):
        reader.readline()
