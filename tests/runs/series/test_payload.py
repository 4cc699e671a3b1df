"""What a log row holds must come back as it was, packed or not."""

from __future__ import annotations

import numpy as np
import pytest

from runs.series import payload
from runs.series.points import SeriesColumns


def floats(count: int) -> SeriesColumns:
    steps = np.where(np.arange(count) % 3 == 0, np.nan, np.arange(count, dtype=np.float64))
    values = np.random.default_rng(count).random(count)
    values[:1] = np.nan
    counts = np.array([count // 2, count - count // 2], np.int64)
    return SeriesColumns(np.array([7, 5], np.int64), counts, steps, np.arange(count, dtype=np.int64), values)


def texts(lines: list[str]) -> SeriesColumns:
    count = len(lines)
    return SeriesColumns(
        np.array([9], np.int64),
        np.array([count], np.int64),
        np.full(count, np.nan),
        np.arange(count, dtype=np.int64),
        [line.encode() for line in lines],
    )


@pytest.mark.parametrize("count", [2, 20, 1000, 30_000])
def test_points_come_back_bit_by_bit(count: int):
    lines = ["first", "", "zweite Zeile: ü"] * (count // 2)
    sent = floats(count)
    packed = payload.encode([sent, texts(lines)])
    numbers, text = payload.decode(packed)
    alone = payload.float_block(packed)
    assert alone is not None
    for block in (numbers, alone):
        assert block.definition_ids.tolist() == [7] * (count // 2) + [5] * (count - count // 2)
        assert block.points.steps.tobytes() == sent.steps.tobytes()
        assert block.points.timestamps.tolist() == sent.timestamps.tolist()
        assert block.points.values.tobytes() == np.asarray(sent.values).tobytes()
    assert text.points.values.tolist() == lines


def test_only_large_payloads_are_packed():
    small, large = payload.encode([floats(2)]), payload.encode([floats(1000)])
    assert (small[0], large[0]) == (payload.VERSION, payload.PACKED_VERSION)
    assert len(large) < 24 * 1000 * 0.7


def test_a_payload_that_was_cut_off_is_a_value_error():
    packed = payload.encode([floats(1000)])
    for read in (lambda data: list(payload.decode(data)), payload.float_block):
        with pytest.raises(ValueError, match="unpacked"):
            read(packed[:-9])


def test_an_unknown_version_is_a_value_error():
    with pytest.raises(ValueError, match="version 9"):
        list(payload.decode((9).to_bytes(4, "little") + bytes(40)))
