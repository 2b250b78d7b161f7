"""Columns of vectors, products that are exact, and blocks of vectors that are near each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.blocks import Blocks, cut
from datapipe.algo.vectors import MOST_NUMBERS, SCALE, cosine_of_pairs, rounded, vectors_of
from datapipe.errors import InputError

F32 = pa.float32()


def drawn(count: int, size: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)


# ---------------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float16()),
        pa.list_(F32),
        pa.list_(pa.float64()),
        pa.large_list(F32),
        pa.list_(F32, 2),
        pa.list_(pa.int8()),
    ],
    ids=str,
)
def test_lists_of_any_numbers_are_vectors(kind: Any) -> None:
    column = pa.array([[3, 4], None, [0, 2], [5, 12]], kind).slice(1)
    found = vectors_of(column, "v")
    assert found.is_sound.tolist() == [False, True, True]
    assert found.matrix(np.array([2, 1])).tolist() == [[5, 12], [0, 2]]
    assert found.listed().to_pylist() == [[], [0, 2], [5, 12]]


@pytest.mark.parametrize(
    ("vector", "sound"),
    [
        ([1.0], True),
        ([], False),
        (None, False),
        ([0.0, -0.0], False),
        ([1.0, None], False),
        ([1.0, np.nan], False),
        ([1.0, np.inf], False),
        ([1e300, 1.0], False),  # not in float32
        ([1e-300, 0.0], False),
        ([1e-45, 0.0], True),
        ([3e38, -3e38], True),
    ],
)
def test_only_vectors_of_finite_numbers_that_have_a_direction_are_sound(vector: Any, *, sound: bool) -> None:
    found = vectors_of(pa.array([[7.0], vector], pa.list_(pa.float64())), "v")
    assert found.is_sound.tolist() == [True, sound]


def test_vectors_are_of_no_more_numbers_than_products_are_exact_for() -> None:
    found = vectors_of(pa.array([[1.0] * MOST_NUMBERS, [1.0] * (MOST_NUMBERS + 1)], pa.list_(F32)), "v")
    assert found.is_sound.tolist() == [True, False]


@pytest.mark.parametrize("column", [pa.array(["a"]), pa.array([1.0]), pa.array([["a"]])])
def test_other_types_are_refused_in_one_line(column: Any) -> None:
    with pytest.raises(InputError, match=r"column 'v' holds .*, not lists of numbers"):
        vectors_of(column, "v")


@pytest.mark.parametrize("kind", [pa.null(), pa.string(), pa.list_(F32)])
def test_a_column_without_values_has_no_vectors(kind: Any) -> None:
    assert vectors_of(pa.nulls(2, kind), "v").is_sound.tolist() == [False, False]


def test_contents_are_equal_where_numbers_are() -> None:
    column = pa.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 2.0]], pa.list_(F32))
    contents = vectors_of(column, "v").contents().tolist()
    assert contents[0] == contents[1]
    assert len(set(contents)) == 3


# ---------------------------------------------------------------------------------------------- cosines


@pytest.mark.parametrize(
    ("one", "other", "cosine"),
    [
        ([3, 4], [3, 4], 1.0),
        ([3, 4], [6, 8], 1.0),
        ([3, 4], [4, 3], 24 / 25),
        ([3, 4], [-4, 3], 0.0),
        ([3, 4], [-3, -4], -1.0),
        ([1e-40, 0], [3e38, 0], 1.0),
        ([3, 4], [3, 4, 0], None),
        ([3, 4], [], None),
        ([3, 4], None, None),
    ],
)
def test_cosines_by_hand(one: Any, other: Any, cosine: float | None) -> None:
    lists = pa.array([[9.0], one, other], pa.list_(F32)).slice(1)
    expected = cosine if cosine is None else pytest.approx(cosine, abs=1e-12)
    assert cosine_of_pairs(lists, lists, ([0], [1])).to_pylist() == [expected]


@pytest.mark.parametrize("size", [1, 7, 768, 4096])
def test_products_of_rounded_vectors_are_exact_in_any_order(size: int) -> None:
    matrix = drawn(64, size)
    points, off = rounded(matrix)
    exact = points.astype(np.int64) @ points.astype(np.int64).T
    assert (exact == points @ points.T).all()
    assert (exact == (points[:, ::-1].copy() @ points[:, ::-1].copy().T)).all()
    assert exact.max() <= 2**24
    wide = matrix.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1)[:, None]
    assert np.abs(exact - wide @ wide.T * SCALE**2).max() <= 2 * SCALE * off + off * off


def test_the_longest_vectors_give_no_product_beyond_what_is_exact() -> None:
    points, _ = rounded(np.full((2, MOST_NUMBERS), 1.0, np.float32) * np.array([[1], [-3]], np.float32))
    assert np.abs(points.astype(np.int64) @ points.astype(np.int64).T).max() <= 2**24


# ---------------------------------------------------------------------------------------------- blocks


def test_vectors_in_bundles_get_a_block_each() -> None:
    middles = np.eye(8, dtype=np.float32)
    vectors = np.concatenate([middles + drawn(8, 8, seed) * np.float32(0.02) for seed in range(20)])
    blocks = Blocks.of(vectors, 8)
    found = blocks.nearest(vectors, 1)[:, 0].reshape(20, 8)
    assert (found == found[0]).all()
    assert len(set(found[0].tolist())) == 8
    assert (blocks.nearest(vectors, 3)[:, 0] == found.ravel()).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 12), st.integers(1, 4))
def test_nearest_blocks_do_not_depend_on_what_stands_beside(rows: int, size: int, count: int, nearest: int) -> None:
    vectors = drawn(rows, size, count)
    blocks = Blocks.of(vectors, count)
    whole = blocks.nearest(vectors, nearest)
    each = np.concatenate([blocks.nearest(vectors[row : row + 1], nearest) for row in range(rows)])
    assert (whole == each).all()
    assert all(len(set(row)) == len(row) for row in whole.tolist())


@pytest.mark.parametrize("count", [0, 1])
def test_without_centers_all_are_in_one_block(count: int) -> None:
    assert Blocks(np.zeros((count, 0), np.float32)).nearest(drawn(3, 2), 2).tolist() == [[0], [0], [0]]


@pytest.mark.parametrize("nearest", [1, 2])
@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-6])
def test_a_large_block_is_cut_into_parts_that_hold_all_of_it(spread: float, nearest: int) -> None:
    """With the least spread rounding leaves nothing to tell them apart by."""
    vectors = np.ones((3000, 16), np.float32) + np.float32(spread) * drawn(3000, 16)
    parts = list(cut(vectors, 100, nearest))
    assert max(map(len, parts)) <= 101
    assert set(np.concatenate(parts).tolist()) == set(range(3000))
    assert sum(map(len, parts)) <= 3000 * 16
