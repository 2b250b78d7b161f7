"""Packing: known answers, what it must never do, how full it gets, and what the order tells of length and source."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.packing import Pieces, best_fit, concatenated, cut_long, fitted, in_balance
from datapipe.algo.shares import Wish, passes
from tests.benchmarks.packing import pack_and_peak

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def array(*numbers: int) -> Any:
    return np.array(numbers, np.int64)


def test_known_answers() -> None:
    # TRL's best fit at 4 of [1,2,3], [4,5,6,7], [8]: [4,5,6,7] and [1,2,3,8].
    assert best_fit(array(3, 4, 1), 4).tolist() == [1, 0, 1]
    # OLMo-core's packer at 8.
    assert best_fit(array(8, 6, 6, 4, 3, 2, 3), 8).tolist() == [0, 1, 2, 3, 3, 1, 4]


def best_fit_by_hand(lengths: list[int], capacity: int) -> list[int]:
    """The same rule, looking through all sequences; those of equal room in the order in which they came to it."""
    rooms: list[tuple[int, int]] = []  # room and when it came about
    found = [0] * len(lengths)
    for clock, piece in enumerate(sorted(range(len(lengths)), key=lambda at: -lengths[at])):
        fitting = [(room, since, at) for at, (room, since) in enumerate(rooms) if room >= lengths[piece]]
        if fitting:
            room, _, at = min(fitting)
        else:
            room, at = capacity, len(rooms)
            rooms.append((capacity, clock))
        found[piece] = at
        rooms[at] = (room - lengths[piece], clock)
    return found


@given(LENGTHS)
def test_best_fit_is_the_plain_rule(lengths: list[int]) -> None:
    assert best_fit(np.array(lengths), 40).tolist() == best_fit_by_hand(lengths, 40)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=40), st.integers(1, 40))
def test_pieces_cover_each_document_once(lengths: list[int], capacity: int) -> None:
    end_to_end, sequences = concatenated(np.array(lengths), capacity)
    filled = np.bincount(sequences, end_to_end.lengths) if len(sequences) else np.zeros(0)
    assert (filled[:-1] == capacity).all()
    for pieces in (cut_long(np.array(lengths), capacity), end_to_end):
        assert (pieces.lengths > 0).all()
        assert (pieces.lengths <= capacity).all()
        for document, length in enumerate(lengths):
            mine = pieces.document == document
            covered = np.concatenate(
                [
                    np.zeros(0, int),
                    *(np.arange(a, b) for a, b in zip(pieces.start[mine], pieces.end[mine], strict=True)),
                ]
            )
            assert covered.tolist() == list(range(length))


@given(LENGTHS, st.integers(1, 3))
def test_the_order_is_a_permutation_of_the_sequences(lengths: list[int], sources: int) -> None:
    pieces = cut_long(np.array(lengths), 16)
    sequences = fitted(pieces, 16)
    of = (np.arange(len(lengths)) % sources).astype(np.int32)
    assert sorted(in_balance(sequences, pieces, of).tolist()) == list(range(int(sequences.max()) + 1))


def corpus(count: int) -> tuple[Any, Any]:
    """Lengths and sources as of text: lognormal, each source with its own middle; drawn, so in no order."""
    rng = np.random.default_rng(1)
    sources = rng.choice(6, count, p=[0.4, 0.25, 0.15, 0.1, 0.07, 0.03]).astype(np.int32)
    middle = np.array([5.8, 6.5, 5.0, 6.0, 4.5, 7.0])[sources]
    return np.exp(rng.normal(middle, 1.0)).astype(np.int64) + 1, sources


def balance_by_hand(tokens: Any, document: Any) -> list[int]:
    """The order of sequences, one piece each, by the rule as it is told: all sources of all candidates looked at."""
    shares = tokens.sum(axis=0) / tokens.sum()
    queues: dict[int, list[int]] = {}
    for sequence in sorted(range(len(tokens)), key=lambda at: document[at]):
        queues.setdefault(int(tokens[sequence].argmax()), []).append(sequence)
    ahead, order = np.zeros(len(shares)), []
    while any(queues.values()):
        first = [(source, each) for source in sorted(queues) for each in queues[source][:8]]
        off = [((ahead + tokens[each] - tokens[each].sum() * shares) ** 2).sum() for _, each in first]
        source, taken = first[int(np.argmin(off))]
        queues[source].remove(taken)
        ahead += tokens[taken] - tokens[taken].sum() * shares
        order.append(taken)
    return order


@pytest.mark.parametrize("seed", range(5))
def test_sequences_are_put_in_balance_by_the_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths, sources = rng.integers(1, 10**6, 60), rng.integers(0, 5, 60).astype(np.int32)
    tokens = np.zeros((60, 5))
    tokens[np.arange(60), sources] = lengths
    place = in_balance(np.arange(60), cut_long(lengths, 10**6), sources)
    assert np.argsort(place).tolist() == balance_by_hand(tokens, np.arange(60))


def test_time_does_not_grow_with_the_square_of_the_sources() -> None:
    rng = np.random.default_rng(0)
    pieces = cut_long(rng.integers(1, 100, 6000), 100)
    sequences, seconds = fitted(pieces, 100), []
    for sources in (20, 2000):
        of = rng.integers(0, sources, 6000).astype(np.int32)
        in_balance(sequences, pieces, of)  # compiled
        began = time.process_time()
        in_balance(sequences, pieces, of)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 300 * max(seconds[0], 0.01)


def test_full_balanced_and_in_no_order_of_fill_or_length() -> None:
    lengths, sources = corpus(200_000)
    pieces: Pieces = cut_long(lengths, 2048)
    sequences = fitted(pieces, 2048)
    place = in_balance(sequences, pieces, sources)[sequences]
    tokens = np.zeros((int(place.max()) + 1, 6))
    np.add.at(tokens, (place, sources[pieces.document]), pieces.lengths)
    fill = tokens.sum(axis=1)
    assert fill.mean() / 2048 > 0.994
    ends = np.concatenate([np.zeros((1, 6)), np.cumsum(tokens, axis=0)])
    window = ends[1000:] - ends[:-1000]
    shares = window / window.sum(axis=1, keepdims=True)
    assert np.abs(shares - tokens.sum(axis=0) / tokens.sum()).max() < 0.01
    assert abs(np.corrcoef(np.arange(len(fill)), fill)[0, 1]) < 0.02
    assert abs(np.corrcoef(place, pieces.lengths)[0, 1]) < 0.02


def test_real_lengths_leave_little_padding(real_data: Path) -> None:
    """English pages, Chinese articles and English proposals, a token for 4 bytes."""
    lengths: list[int] = []
    for name in ("c4_demo_300", "oiwiki_zh", "peps"):
        (path,) = real_data.rglob(f"{name}.jsonl.gz")
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            lengths += [len(json.loads(line)["text"].encode()) // 4 + 1 for line in lines]
    assert len(lengths) > 1500
    sequences = fitted(cut_long(np.array(lengths), 2048), 2048)
    assert sum(lengths) / (2048 * (int(sequences.max()) + 1)) >= 0.994


@pytest.mark.full
@pytest.mark.timeout(900)
def test_ten_million_documents_take_less_than_a_minute_and_2_gb() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        made, peak = pool.submit(pack_and_peak, 10_000_000).result()
    assert made.seconds < 60
    assert peak < 2000
    assert made.fills.mean() / 2048 >= 0.994
    assert made.off < 0.01


@pytest.mark.parametrize(
    ("wishes", "total", "expected"),
    [
        ({"a": Wish(epochs=2.5)}, None, {"a": 2.5}),
        ({"a": Wish(weight=1), "b": Wish(weight=1)}, 1000, {"a": 0.5, "b": 5.0}),
        ({"a": Wish(weight=1), "b": Wish(weight=1)}, None, {"a": 0.1, "b": 1.0}),
        ({"a": Wish(weight=1), "b": Wish(weight=1, most=2)}, 1000, {"a": 0.8, "b": 2}),
        ({"a": Wish(), "b": Wish()}, 550, {"a": 0.5, "b": 0.5}),
        ({"a": Wish(weight=1), "none": Wish(weight=9)}, 100, {"a": 0.1, "none": 0.0}),
        ({"a": Wish(weight=0), "b": Wish(weight=1)}, 50, {"a": 0.0, "b": 0.5}),
    ],
)
def test_passes(wishes: dict[str, Wish], total: float | None, expected: dict[str, float]) -> None:
    assert passes({"a": 1000, "b": 100}, wishes, total) == pytest.approx(expected)


def test_temperature_levels_sizes() -> None:
    found = passes({"a": 1000, "b": 10}, {"a": Wish(), "b": Wish()}, 110, temperature=2)
    tokens = {name: epochs * {"a": 1000, "b": 10}[name] for name, epochs in found.items()}
    assert tokens["a"] / tokens["b"] == pytest.approx(10)  # the root of 100
    assert Counter(tokens).total() == pytest.approx(110)
