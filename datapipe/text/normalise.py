"""The normal form of texts: what two copies share whatever their case, accents, digits and punctuation.

Words are casefolded, accents taken off (vowel signs and kana voicing stay), digits become 0, and single spaces stand
between; punctuation is ignored (`reference.normal_words`). The form is built per code point, so letters that are
written decomposed with other marks than accents are not composed.
Why: exact duplicates are found by its hash; as words lie side by side with single spaces, an n-gram of words is one
slice of it, ready to hash. No Python string is made.
Costs: about 200 MB/s after the segmentation; 1-2 bytes a byte of text and 24 bytes a word.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datapipe.text import tables
from datapipe.text.buffers import BytesView, Texts, as_one_array, readonly, view_bytes
from datapipe.text.cache import segment
from datapipe.text.characters import look_up, read, write_mapped
from datapipe.text.hashing import SEED_HIGH, SEED_LOW, hash_slices
from datapipe.text.jit import Int32s, Int64s, Uint8s, Uint64s, kernel, pasted
from datapipe.text.reference import IS_WORD
from datapipe.text.segmentation import Segmentation, Words
from datapipe.text.tables import Table

SPACE = 0x20
WIDEST = 4  # bytes of a code point
# A code point's normal form takes at most so many bytes more than this many times its own (U+FDFA: 18 letters).
SPARE_BYTES = 80


class _Source(NamedTuple):
    """The words of each document, as kernels need them: bounds int64 (2, n); places int32 (2, tokens)."""

    bounds: Int64s
    starts: Int32s
    ends: Int32s
    kinds: Uint8s


class _Room(NamedTuple):
    """Room for the form.

    data: uint8; words: int64 (3, n), start, end and token of each word; bounds: int64 (2, documents); progress:
    int64 (3,), documents done, bytes used, words used.
    """

    data: Uint8s
    words: Int64s
    bounds: Int64s
    progress: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class NormalForm:
    """The normal forms of some documents, one after the other in `data` (uint8).

    Words of document d are the indexes first[d] to last[d] (int64); word w is data[start[w]:end[w]] (int64), and
    comes from token token[w] (int64) of the segmentation. Words i to j of a document, with the spaces between, are
    data[start[i]:end[j]]. Words whose normal form is empty are left out.
    """

    data: Uint8s
    first: Int64s
    last: Int64s
    start: Int64s
    end: Int64s
    token: Int64s

    def documents(self) -> BytesView:
        """The whole form of each document; empty where it has no words."""
        some = self.last > self.first
        starts = np.zeros(len(some), np.int64)
        ends = np.zeros(len(some), np.int64)
        starts[some] = self.start[self.first[some]]
        ends[some] = self.end[self.last[some] - 1]
        return BytesView(self.data, readonly(starts), readonly(ends))


@pasted
def _write_word(text: Uint8s, place: tuple[int, int], table: Table, room: tuple[Uint8s, int]) -> int:
    """The normal form of the word text[start:end], put at data[j]; returns its end, or -1 if it does not fit."""
    i, end = place
    data, j = room
    while i < end:
        if j + SPARE_BYTES > len(data):
            return -1
        point, width = read(text, i, end)
        j = write_mapped((data, j), point, look_up(table, point), table.rows)
        i += width
    return j


@kernel
def _write_words(view: BytesView, source: _Source, table: Table, room: _Room) -> None:
    """Fill in the form from where `room.progress` stands, until done or a document does not fit."""
    _, most = room.words.shape
    for x in range(room.progress[0], len(view.starts)):
        base, j, used = view.starts[x], room.progress[1], room.progress[2]
        room.bounds[0, x] = used
        for token in range(source.bounds[0, x], source.bounds[1, x]):
            if source.kinds[token] & IS_WORD == 0:
                continue
            place = (base + source.starts[token], base + source.ends[token])
            stop = _write_word(view.data, place, table, (room.data, j))
            if stop < 0 or used == most:
                return
            if stop == j:
                continue
            room.words[0, used], room.words[1, used], room.words[2, used] = j, stop, token
            used += 1
            room.data[stop] = SPACE
            j = stop + 1
        room.bounds[1, x] = used
        room.progress[0], room.progress[1], room.progress[2] = x + 1, j, used


def normal_form(texts: Texts, segmentation: Segmentation | None = None) -> NormalForm:
    """The normal form of each text; null has no words. Uses the shared segmentation unless one is given."""
    view = view_bytes(texts)
    words = (segmentation or segment(texts)).words
    count = len(view.starts)
    source = _Source(readonly(np.stack([words.first, words.last])), words.start, words.end, words.kind)
    size = int((view.ends - view.starts).sum()) * 5 // 4 + SPARE_BYTES + WIDEST
    most = int((words.last - words.first).sum())
    room = _Room(
        np.empty(size, np.uint8), np.empty((3, most), np.int64), np.empty((2, count), np.int64), np.zeros(3, np.int64)
    )
    _write_words(view, source, tables.load().normal, room)
    while room.progress[0] < count:
        data = np.empty(2 * len(room.data), np.uint8)
        data[: room.progress[1]] = room.data[: room.progress[1]]
        room = room._replace(data=data)
        _write_words(view, source, tables.load().normal, room)
    used = room.progress[2]
    return NormalForm(readonly(room.data[: room.progress[1]]), *readonly(room.bounds), *readonly(room.words[:, :used]))


def _stripped(view: BytesView, words: Words) -> BytesView:
    """Each text from its first to its last token, that is without the space around it."""
    some = words.last > words.first
    starts, ends = np.zeros(len(some), np.int64), np.zeros(len(some), np.int64)
    starts[some] = view.starts[some] + words.start[words.first[some]]
    ends[some] = view.starts[some] + words.end[words.last[some] - 1]
    return BytesView(view.data, readonly(starts), readonly(ends))


def normalised_hash(texts: Texts, segmentation: Segmentation | None = None) -> tuple[Uint64s, Uint64s]:
    """128-bit hash of each text's normal form as (high, low), two uint64 arrays; null gives (0, 0).

    Texts without a word in normal form are hashed as they are, without the space around them, so that texts of
    different symbols do not become one. Uses the shared segmentation unless one is given.
    """
    array = as_one_array(texts)
    view = view_bytes(array)
    segmentation = segmentation or segment(array)
    form = normal_form(array, segmentation)
    wordless = np.flatnonzero(form.last == form.first)
    bare = _stripped(view, segmentation.words)
    bare = BytesView(bare.data, readonly(bare.starts[wordless]), readonly(bare.ends[wordless]))
    halves = []
    for seed in (SEED_HIGH, SEED_LOW):
        hashes = hash_slices(form.documents(), seed)
        hashes[wordless] = hash_slices(bare, seed)
        if array.null_count:
            hashes[np.asarray(array.is_null())] = 0
        halves.append(hashes)
    return halves[0], halves[1]
