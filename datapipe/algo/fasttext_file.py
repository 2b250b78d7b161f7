"""Whether a fastText model is whole, and its labels, told from its file before fastText itself reads it.

Why: fastText believes what a file says of itself. A model that was cut short while it was fetched can hang it, end the
process or, with the last bytes missing, be taken as it is, with what lay in memory for weights.
Costs one pass over the dictionary, some 0.3 s for a million words; of the matrices only the sizes are read.
Source: the file format 12 of fastText (`args`, `dictionary`, `densematrix`, `quantmatrix`, `productquantizer`).
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

__all__ = ["labels_of"]

MAGIC, NEWEST = 793712314, 12
ARGS = struct.Struct("<12id")  # dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, rate; t
WORDS = struct.Struct("<3i2q")  # words and labels, words, labels; tokens, pruned
ENTRY = 9  # bytes behind a word's zero byte: how often it was met, and what it is
PAIR = 8  # bytes of a pruned entry
CENTROIDS = 256
MOST_DIM, MOST_NGRAMS = 1 << 16, 64
SUPERVISED = 3
MOST_WORD = 1 << 16  # bytes


class _Broken(Exception):
    """The file is not what it says."""


def labels_of(path: Path) -> tuple[str, ...] | None:
    """The labels of a supervised fastText model; None for a file that is none from its first byte to its last.

    Labels are as they stand in the file, with the prefix `__label__` of training. Raises OSError.
    """
    if path.stat().st_size == 0:  # which no memory map takes
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data)
        try:
            labels = tuple(label.decode() for label in reader.labels())
        except (_Broken, UnicodeDecodeError):
            return None
        return labels if reader.at == len(data) else None


class _Reader:
    """A place in the file, and what is read there."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.at = 0

    def labels(self) -> list[bytes]:
        """Reads all of the model. Raises _Broken."""
        magic, version = self._take("<2i")
        _hold(magic == MAGIC and 0 < version <= NEWEST)
        self._args()
        rows, labels = self._dictionary()
        quantised = self._flag()
        self._matrix(rows, quantised=quantised)
        self._matrix(len(labels), quantised=self._flag() and quantised)
        return labels

    def _take(self, form: str | struct.Struct) -> tuple[int, ...]:
        form = struct.Struct(form) if isinstance(form, str) else form
        start = self.at
        self._skip(form.size)
        return form.unpack_from(self._data, start)

    def _skip(self, size: int) -> None:
        _hold(0 <= size <= len(self._data) - self.at)
        self.at += size

    def _flag(self) -> bool:
        (value,) = self._take("<B")
        _hold(value in (0, 1))
        return value == 1

    def _args(self) -> None:
        self._dim, _, _, _, _, ngrams, _, model, bucket, least, most, *_ = self._take(ARGS)
        self._bucket = bucket
        _hold(0 < self._dim <= MOST_DIM and 0 < ngrams <= MOST_NGRAMS and model == SUPERVISED)
        # N-grams are numbered by the remainder to the buckets.
        _hold(bucket > 0 or (bucket == 0 and ngrams == 1 and most == 0))
        _hold(least >= 0 and 0 <= most <= MOST_NGRAMS)

    def _dictionary(self) -> tuple[int, list[bytes]]:
        """Passes the words; how many rows there are of words and n-grams, and the labels."""
        size, words, labels, _, pruned = self._take(WORDS)
        _hold(words >= 0 and labels > 0 and size == words + labels and pruned >= -1)
        data, found = self._data, list[bytes]()
        for _ in range(size):
            stop = data.find(b"\0", self.at, self.at + MOST_WORD)
            _hold(stop >= 0)
            name, self.at = self.at, stop + 1
            self._skip(ENTRY)
            kind = data[self.at - 1]
            _hold(kind in (0, 1))
            if kind == 1:
                found.append(data[name:stop])
        _hold(len(found) == labels)
        self._pruned(max(pruned, 0))
        return words + (self._bucket if pruned < 0 else pruned), found

    def _pruned(self, count: int) -> None:
        """Pairs of an n-gram and its row."""
        start = self.at
        self._skip(PAIR * count)
        for _, row in struct.iter_unpack("<2i", self._data[start : self.at]):
            _hold(0 <= row < count)

    def _matrix(self, rows: int, *, quantised: bool) -> None:
        if not quantised:
            found, columns = self._take("<2q")
            _hold(found == rows and columns == self._dim)
            self._skip(4 * found * columns)
            return
        has_norms = self._flag()
        found, columns, codes = self._take("<2qi")
        _hold(found == rows and columns == self._dim)
        self._skip(codes)
        parts = self._quantiser(columns)
        _hold(codes == found * parts)
        if has_norms:
            self._skip(found)
            _hold(self._quantiser(1) == 1)

    def _quantiser(self, columns: int) -> int:
        """Into how many parts a row is cut."""
        dim, parts, width, last = self._take("<4i")
        _hold(dim == columns and parts > 0 and width > 0 and 0 < last <= width)
        _hold((parts - 1) * width + last == dim)
        self._skip(4 * CENTROIDS * dim)
        return parts


def _hold(condition: bool) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise _Broken
