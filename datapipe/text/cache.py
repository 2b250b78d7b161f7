"""Segmentations shared by the stages of one task.

Why: consecutive stages measure the same texts, and a stage that drops rows should not make the next one find all
words again. Stages only call `segment`; what runs them calls `carry` when it selects rows and `forget` at the end.
Costs: holds at most CAPACITY arrays of texts and their segmentations alive, for each thread.
"""

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.text.buffers import Texts, as_one_array
from datapipe.text.segmentation import Segmentation

CAPACITY = 4

_Key = tuple[int, ...]


class _Entry(NamedTuple):
    array: "pa.Array[Any]"  # keeps the buffers alive, so that their addresses stay theirs
    segmentation: Segmentation


def _key(array: "pa.Array[Any]") -> _Key:
    """Where an array's values lie: two arrays with equal keys hold the same values while either is alive."""
    addresses = (0 if buffer is None else buffer.address for buffer in array.buffers())
    return (array.type.id, array.offset, len(array), *addresses)


class SegmentationCache(threading.local):
    """The segmentations last used, for each thread its own."""

    def __init__(self) -> None:
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()

    def __len__(self) -> int:
        """How many segmentations are held."""
        return len(self._entries)

    def segment(self, texts: Texts) -> Segmentation:
        """The segmentation of these texts, the same object as last time if the texts lie in the same memory."""
        array = as_one_array(texts)
        key = _key(array)
        if key not in self._entries:
            self._add(key, _Entry(array, Segmentation.of(array)))
        self._entries.move_to_end(key)
        return self._entries[key].segmentation

    def carry(self, parent: Texts, child: Texts, indices: npt.NDArray[np.integer]) -> None:
        """Let `child`, which is parent.take(indices), share the parent's segmentation if there is one.

        Raises ValueError if the numbers of rows differ.
        """
        array = as_one_array(child)
        if len(array) != len(indices):
            message = f"{len(array)} rows cannot come from {len(indices)} indices"
            raise ValueError(message)
        key = _key(as_one_array(parent))
        if key in self._entries:
            self._add(_key(array), _Entry(array, self._entries[key].segmentation.take(np.asarray(indices))))

    def forget(self) -> None:
        """Let go of everything."""
        self._entries.clear()

    def _add(self, key: _Key, entry: _Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > CAPACITY:
            self._entries.popitem(last=False)


_CACHE = SegmentationCache()


def segment(texts: Texts) -> Segmentation:
    """The segmentation of an array of texts (string, large_string or their binaries); null reads as empty.

    Kept for the next stage that asks for the same array. Raises TypeError for arrays of other types.
    """
    return _CACHE.segment(texts)


def carry(parent: Texts, child: Texts, indices: npt.NDArray[np.integer]) -> None:
    """Tell that `child` is parent.take(indices), so that it shares the parent's segmentation."""
    _CACHE.carry(parent, child, indices)


def forget() -> None:
    """Let go of all segmentations that this thread keeps."""
    _CACHE.forget()
