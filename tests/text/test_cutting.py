"""Texts without some of their parts, against plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from datapipe.text.buffers import view_bytes
from datapipe.text.cutting import without

TEXT = st.text("abé一\n", max_size=12) | st.none()


@given(st.lists(TEXT, max_size=6), st.integers(0, 3), st.data())
def test_parts_go_and_all_else_stays(texts: list[str | None], offset: int, data: Any) -> None:
    array = pa.array(["before"] * offset + texts, pa.large_string()).slice(offset)
    view = view_bytes(array)
    starts, ends, expected = [], [], []
    for place, text in enumerate(texts):
        gone: set[int] = set()
        for _ in range(data.draw(st.integers(0, 3)) if text else 0):
            low, high = sorted(data.draw(st.integers(0, len(text or ""))) for _ in range(2))
            gone |= set(range(low, high))
            starts.append(int(view.starts[place]) + len((text or "")[:low].encode()))
            ends.append(int(view.starts[place]) + len((text or "")[:high].encode()))
        expected.append(None if text is None else "".join(c for at, c in enumerate(text) if at not in gone))
    order = data.draw(st.permutations(range(len(starts))))
    bounds = (np.array([each[x] for x in order], np.int64) for each in (starts, ends))
    left = without(array, *bounds)
    assert left.type == pa.large_string()
    assert left.to_pylist() == expected
    left.validate(full=True)
