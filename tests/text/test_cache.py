"""Stages of one task share segmentations."""

import threading

import numpy as np
import pyarrow as pa
import pytest

from datapipe.text import SegmentationCache, carry, forget, segment
from datapipe.text.cache import CAPACITY


def test_the_same_memory_gives_the_same_segmentation() -> None:
    cache = SegmentationCache()
    texts = pa.array(["one", "two words", None])
    first = cache.segment(texts)
    batch = pa.record_batch({"text": texts})
    assert cache.segment(batch["text"]) is first
    assert cache.segment(texts.slice(1)) is not first
    assert cache.segment(texts.slice(1)).words_per_document().tolist() == [2, 0]
    assert cache.segment(pa.array(["one", "two words", None])) is not first


def test_a_mask_over_the_same_bytes_is_another_array(half_masked: tuple[pa.StringArray, pa.StringArray]) -> None:
    cache = SegmentationCache()
    full, masked = half_masked
    assert cache.segment(full).words_per_document().tolist() == [1, 2, 1]
    assert cache.segment(masked).words_per_document().tolist() == [1, 0, 1]


def test_a_carried_child_shares_its_parents_pieces() -> None:
    cache = SegmentationCache()
    parent = pa.array(["one", "two words", "three"])
    words = cache.segment(parent).words
    indices = np.array([1, 2])
    child = parent.take(pa.array(indices))
    cache.carry(parent, child, indices)
    assert cache.segment(child).words_per_document().tolist() == [2, 1]
    assert np.shares_memory(cache.segment(child).words.start, words.start)


def test_a_child_of_an_unknown_parent_is_segmented_by_itself() -> None:
    cache = SegmentationCache()
    parent = pa.array(["one", "two words"])
    child = parent.take(pa.array([1]))
    cache.carry(parent, child, np.array([1]))
    assert len(cache) == 0
    assert cache.segment(child).words_per_document().tolist() == [2]


def test_rows_that_cannot_match_are_refused() -> None:
    parent = pa.array(["one", "two"])
    with pytest.raises(ValueError, match="1 rows cannot come from 2 indices"):
        carry(parent, parent.slice(1), np.array([0, 1]))


def test_the_least_used_is_let_go() -> None:
    cache = SegmentationCache()
    arrays = [pa.array([f"text {k}"]) for k in range(CAPACITY + 1)]
    first = cache.segment(arrays[0])
    for array in arrays[1:CAPACITY]:
        cache.segment(array)
    assert cache.segment(arrays[0]) is first
    cache.segment(arrays[CAPACITY])
    assert len(cache) == CAPACITY
    assert cache.segment(arrays[0]) is first


def test_forgetting_and_threads() -> None:
    texts = pa.array(["one"])
    first = segment(texts)
    assert segment(texts) is first
    others: list[object] = []
    thread = threading.Thread(target=lambda: others.append(segment(texts)))
    thread.start()
    thread.join()
    assert others[0] is not first
    forget()
    assert segment(texts) is not first
    forget()
