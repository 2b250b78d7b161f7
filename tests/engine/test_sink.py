"""Names of the folders that a sink's documents are parted into: safe, and never two values in one."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from datapipe.engine.sink import LONGEST, folder_of

NAMES = [
    (None, "unknown"),
    ("en", "en"),
    ("zh-Hant", "zh-Hant"),
    ("en_GB", "en_GB"),
    ("reddit.com", "reddit.com"),
    ("", "%"),
    ("%", "%25"),
    ("a/b", "a%2Fb"),
    ("..", "%2E%2E"),
    (".hidden", "%2Ehidden"),
    ("records.parquet", "records%2Eparquet"),
    ("stage.json", "stage%2Ejson"),
    ("中文", "%E4%B8%AD%E6%96%87"),
    ("a b\n", "a%20b%0A"),
    ("\x00", "%00"),
]


@pytest.mark.parametrize(("value", "name"), NAMES, ids=[repr(value) for value, _ in NAMES])
def test_a_folder_is_named_after_its_value(value: str | None, name: str) -> None:
    assert folder_of(value) == name


VALUES = st.one_of(st.text(), st.text("./%\\ aA-", max_size=6), st.text("ab", min_size=90, max_size=120))


@given(VALUES, VALUES)
def test_two_values_never_share_a_folder(one: str, other: str) -> None:
    assume(one != other)
    assert folder_of(one) != folder_of(other)


@given(VALUES)
def test_a_name_is_one_step_down_and_not_too_long(value: str) -> None:
    name = folder_of(value)
    assert 0 < len(name) <= LONGEST
    assert PurePosixPath("out", name).parts == ("out", name)
    assert name.isascii()
    assert not name.startswith(".")
