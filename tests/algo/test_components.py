"""Components and sorted pairs: in memory and on disk, against plain Python."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.components import Components
from datapipe.algo.pairs import Pairs

NODES = st.integers(0, 12) | st.integers(0, 2**64 - 1)
LINKS = st.lists(st.tuples(NODES, NODES), max_size=60)
ROOMY = 1 << 26
TIGHT = 1  # the least that pairs are cut into files of


def plain(links: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(least node, node) of all nodes that have a link, by walking."""
    near: dict[int, set[int]] = {}
    for one, other in links:
        if one != other:
            near.setdefault(one, set()).add(other)
            near.setdefault(other, set()).add(one)
    found: list[tuple[int, int]] = []
    seen: set[int] = set()
    for start in sorted(near):
        if start in seen:
            continue
        reach, todo = {start}, [start]
        while todo:
            for node in near[todo.pop()] - reach:
                reach.add(node)
                todo.append(node)
        seen |= reach
        found += [(start, node) for node in reach]
    return sorted(found)


def arrays(links: list[tuple[int, int]]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    both = np.array(links, np.uint64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def solved(links: list[tuple[int, int]], folder: Path, memory: int, cut: int = 7) -> list[tuple[int, int]]:
    found = Components(folder, memory)
    for start in range(0, len(links), cut):
        found.add(*arrays(links[start : start + cut]))
    return [(int(root), int(node)) for part in found.members() for root, node in part]


@settings(deadline=None)
@given(LINKS, st.integers(1, 20))
def test_components_are_those_that_walking_finds(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[int, int]], cut: int
) -> None:
    assert solved(links, tmp_path_factory.mktemp("room"), ROOMY, cut) == plain(links)
    assert solved(links, tmp_path_factory.mktemp("tight"), TIGHT, cut) == plain(links)


@pytest.mark.parametrize("memory", [ROOMY, TIGHT])
@pytest.mark.parametrize("shape", ["chain", "star", "shuffled chain", "forest", "two stars"])
def test_components_of_known_shapes(tmp_path: Path, shape: str, memory: int) -> None:
    number = 2000
    links = {
        "chain": [(n, n + 1) for n in range(number)],
        "star": [(number, n) for n in range(number)],
        "shuffled chain": [(n, n + 1) for n in range(number)],
        "forest": [(2 * n, 2 * n + 1) for n in range(number)],
        "two stars": [(n % 2, n) for n in range(2, number)],
    }[shape]
    if shape == "shuffled chain":
        order = list(range(number + 1))
        random.Random(5).shuffle(order)
        links = [(order[one], order[other]) for one, other in links]
    assert solved(links, tmp_path, memory, cut=500) == plain(links)
    assert not list(tmp_path.rglob("*.pairs"))


@settings(deadline=None)
@given(st.lists(st.tuples(NODES, NODES), max_size=300), st.integers(1, 90))
def test_pairs_come_back_sorted_and_once(
    tmp_path_factory: pytest.TempPathFactory, given_pairs: list[tuple[int, int]], cut: int
) -> None:
    pairs = Pairs(tmp_path_factory.mktemp("pairs"), TIGHT)
    for start in range(0, len(given_pairs), cut):
        pairs.add(*arrays(given_pairs[start : start + cut]))
    stored = pairs.sorted()
    for _ in range(2):  # it may be read again
        assert [tuple(map(int, row)) for part in stored for row in part] == sorted(set(given_pairs))


def test_one_number_in_most_pairs_is_read_in_bounded_windows(tmp_path: Path) -> None:
    pairs = Pairs(tmp_path, TIGHT)
    numbers = np.random.default_rng(1).permutation(5000).astype(np.uint64)
    pairs.add(np.full(5000, 9, np.uint64), numbers)
    pairs.add(numbers, numbers)
    parts = list(pairs.sorted())
    found = np.concatenate(parts)
    assert max(map(len, parts)) < 5000
    assert len(found) == 10_000 - 1
    assert (found[found[:, 0] == 9][:, 1] == np.arange(5000)).all()


def test_tables_that_grow_and_tables_that_are_told_give_the_same(tmp_path: Path) -> None:
    """More nodes than a first table holds, and far more than one of a megabyte: 30,000 clusters of three."""
    nodes = np.random.default_rng(4).permutation(np.arange(1, 90_001, dtype=np.uint64) << np.uint64(20))
    whole = nodes.reshape(-1, 3)
    expected = sorted((min(each), node) for each in whole.tolist() for node in each)
    for memory in (ROOMY, 1 << 20):
        found = Components(tmp_path / str(memory), memory)
        found.add(whole[:, 0], whole[:, 1])
        found.add(whole[:, 2], whole[:, 1])
        assert [(root, node) for part in found.members() for root, node in part.tolist()] == expected
