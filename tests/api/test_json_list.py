"""Cutting JSON lists into slices of whole elements."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import json_list
from api.json_list import NotAList, list_slices

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('ab",[]{}\\:\n é'), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def elements(text: bytes, size: int) -> list[list[object]]:
    """The elements of each slice; their numbers must be right."""
    found: list[list[object]] = []
    for each in list_slices(text, size):
        part = json.loads(b"[" + text[each.start : each.end] + b"]")
        assert (each.first, each.count) == (sum(map(len, found)), len(part))
        found.append(part)
    return found


@settings(deadline=None)
@given(
    document=st.lists(values, max_size=12),
    indent=st.sampled_from([None, 1]),
    is_ascii=st.booleans(),
    size=st.sampled_from([1, 7, 30, 10_000]),
    block=st.sampled_from([1, 2, 3, 16, 64, 1024]),
)
def test_slices_hold_the_elements_in_order_wherever_blocks_end(document, indent, is_ascii, size, block):
    text = json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_list, "BLOCK", block)
        parts = elements(text, size)

    assert [element for part in parts for element in part] == document


def test_slices_keep_to_the_size_and_only_long_elements_stand_alone():
    document = ["x" * 10] * 20 + ["y" * 100] + ["x" * 10] * 3
    text = json.dumps(document).encode()

    parts = elements(text, 50)

    assert all(len(json.dumps(part)) <= 55 or len(part) == 1 for part in parts)
    assert ["y" * 100] in parts
    assert len(parts) < 12


@pytest.mark.parametrize(
    "text", [b"", b"  ", b"{}", b'"[]"', b"[", b"[1", b'["]', b"[1]]", b"[1] 2", b'["a\\"]', b"[{]", b"\xef\xbb\xbf[]"]
)
def test_what_is_no_list_is_refused(text):
    with pytest.raises(NotAList):
        list(list_slices(text, 10))


@settings(deadline=None)
@given(document=st.lists(values, min_size=1, max_size=5), data=st.data())
def test_a_list_that_is_cut_short_is_refused(document, data):
    text = json.dumps(document).encode()
    end = data.draw(st.integers(0, len(text) - 1))

    with pytest.raises(NotAList):
        list(list_slices(text[:end], 10))
