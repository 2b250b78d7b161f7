"""Shingles of documents: the hashes of all runs of n words in normal form, straight from the bytes.

What: words as `normal_form` gives them, n in a row with single spaces between; the low 32 bits of the XXH64 of that
UTF-8, so that anyone can check them with `xxhash.xxh64_intdigest(shingle) & 0xffffffff`. In scripts without spaces a
word is a character with its marks, so that there these are n-grams of characters. A document of fewer than n words
has one shingle, all of its words: it is like another of just these words, and like nothing else. One without words has
none.
Why: near duplicates are found by the shingles that they share. 32 bits, because MinHash takes no more and 64 would
cost twice as much to keep: chance makes m / 2^33 of the shingles of two documents of m each look shared.
Costs: 240 MB/s of English, 210 of Chinese, where words and normal form by themselves take 90; 4 bytes a word of output.
Scratch: 80 KB, more only if n words in a row do not fit 16 KB: neither a segmentation nor the normal form of a document
is kept. See tests/benchmarks/minhash.py.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from datapipe.text import tables
from datapipe.text.buffers import BytesView, Texts, readonly, view_bytes
from datapipe.text.characters import ASCII_END, look_up, read, write_mapped
from datapipe.text.hashing import xxh64
from datapipe.text.jit import I64, U64, Int64s, Uint8s, called, inlined, kernel, pasted
from datapipe.text.normalise import SPACE, SPARE_BYTES
from datapipe.text.reference import APOSTROPHE, LETTER
from datapipe.text.tables import BLOCK, GROUP, MAPPED_SHIFT, Table
from datapipe.text.words import CARRIES_ON, letter_follows

Uint32s: TypeAlias = npt.NDArray[np.uint32]

LONGEST = 64  # words of a shingle, at most
WINDOW = 16 * 1024  # bytes of normal form that are kept at first
BYTES_PER_SHINGLE = 4  # a first guess; too little room is doubled and the document redone
SPECIAL = 0  # in the place of a normal form
LOW = U64(0xFFFFFFFF)
NO_WINDOW, NO_ROOM = 1, 2  # what the kernel stopped for

_Plan: TypeAlias = tuple[int, int]


class _Forms(NamedTuple):
    """What characters are.

    table: the groups and normal forms of code points. plain: uint8 (256,), for each byte its normal form if it is an
    ASCII letter or digit, SPACE if it is other ASCII, SPECIAL if more must be looked at.
    """

    table: Table
    plain: Uint8s


class _Window(NamedTuple):
    """The last words of a document, in normal form.

    data: uint8, a space after each; starts: int64, of each word in it and of the next.
    """

    data: Uint8s
    starts: Int64s


class _Room(NamedTuple):
    """Room for shingles.

    hashes: uint32; bounds: int64 (documents + 1,); progress: int64 (3,), documents done, shingles used, and what the
    kernel stopped for.
    """

    hashes: Uint32s
    bounds: Int64s
    progress: Int64s


_To: TypeAlias = tuple[_Window, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Shingles:
    """Shingles of documents, in the order of the text, repeated ones too.

    Those of document d are hashes[bounds[d]:bounds[d + 1]]; hashes uint32, bounds int64 (documents + 1,).
    """

    hashes: Uint32s
    bounds: Int64s

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.bounds) - 1

    def per_document(self) -> Int64s:
        """How many shingles each document has; 0 for one without words."""
        return np.diff(self.bounds)


@cache
def _forms() -> _Forms:
    """From the two shipped tables, whose entries each hold one half of what is asked of a code point."""
    folded, normal = tables.load()
    pairs, block_of = np.unique(np.stack([folded.block_of, normal.block_of]), axis=1, return_inverse=True)
    groups, mapped = (
        table.blocks.reshape(-1, BLOCK)[part] for table, part in zip((folded, normal), pairs, strict=True)
    )
    blocks = mapped | groups & GROUP
    table = Table(readonly(block_of.ravel().astype(np.int32)), readonly(blocks.ravel()), normal.rows)
    ascii_entries = blocks[block_of.ravel()[0]]
    plain = np.full(256, SPECIAL, np.uint8)
    letters = CARRIES_ON[ascii_entries & GROUP] != 0
    plain[:ASCII_END] = np.where(letters, np.arange(ASCII_END) + (ascii_entries >> MAPPED_SHIFT), SPACE)
    plain[[ord(character) for character in "'_"]] = SPECIAL  # inside words they have no normal form
    return _Forms(table, readonly(plain))


@inlined
def _close(window: _Window, words: int, j: int) -> tuple[int, int]:
    """End the open word if it has a normal form: how many words there are now, and where the next one goes."""
    data, starts = window
    if j > starts[words]:
        data[j] = SPACE
        j += 1
        words += 1
        starts[words] = j
    return words, j


@pasted
def _read_plain(text: Uint8s, place: tuple[int, int], plain: Uint8s, to: _To) -> tuple[int, int, int]:
    """Words of ASCII letters and digits from text[i] on, place = (i, stop), up to a byte that is special.

    Without branches but that: where words end cannot be foretold. to = (window, words, j); returns i, words, j.
    """
    i, stop = place
    (data, starts), words, j = to
    inside = I64(j > starts[words])
    while i < stop:
        mapped = plain[text[i]]
        if mapped == SPECIAL:
            break
        before, inside = inside, I64(mapped != SPACE)
        data[j] = mapped
        j += inside | before
        starts[words + 1] = j  # the next word's if this is the space after one; else it is written anew
        words += before & ~inside
        i += 1
    return i, words, j


@pasted
def _read_words(
    text: Uint8s, place: tuple[int, int], tools: tuple[_Forms, _Window], state: tuple[int, int, int]
) -> tuple[int, int, int, int]:
    """Words from text[i] on, place = (i, end), until the end or the window is full.

    state = (words, j, carries): words that are done, where the next byte goes, and which groups carry on the word that
    is open, as bits (0: none is). Returns i and the new state.
    """
    i, end = place
    forms, window = tools
    words, j, carries = state
    full = len(window.data) - SPARE_BYTES
    while i < end and j <= full:
        if forms.plain[text[i]] != SPECIAL and (carries == 0 or carries == CARRIES_ON[LETTER]):
            stop = min(end, i + full - j + 1)
            i, words, j = _read_plain(text, (i, stop), forms.plain, (window, words, j))
            carries = CARRIES_ON[LETTER] if j > window.starts[words] else 0
            continue
        point, width = read(text, i, end)
        entry = look_up(forms.table, point)
        group = entry & GROUP
        carried = (carries >> group) & 1 != 0
        if group == APOSTROPHE and carries == CARRIES_ON[LETTER]:
            carried = letter_follows(text, i + width, end, forms.table)
        if not carried:
            words, j = _close(window, words, j)
            carries = CARRIES_ON[group]
        if carries != 0:
            j = write_mapped((window.data, j), point, entry, forms.table.rows)
        i += width
    return i, words, j, carries


@called
def _hash_words(window: _Window, which: tuple[int, int, int], hashes: Uint32s, used: int) -> int:
    """The shingles that end with the words first to last, which = (n, first, last); returns the place after them.

    -NO_ROOM if they do not fit.
    """
    n, first, last = which
    data, starts = window
    if used + last - first > len(hashes):
        return -NO_ROOM
    for word in range(first, last):
        hashes[used] = xxh64(data, starts[word - n + 1], starts[word + 1] - 1, U64(0)) & LOW
        used += 1
    return used


@called
def _slide(window: _Window, words: int, kept: int, j: int) -> int:
    """Move the last words, `kept` many, and what stands after them to the front; returns where that ends now."""
    data, starts = window
    first = starts[words - kept]
    size: int = I64(j - first)
    for k in range(size):
        data[k] = data[first + k]
    for k in range(kept + 1):
        starts[k] = starts[words - kept + k] - first
    return size


@pasted
def _find_in(
    text: Uint8s, place: tuple[int, int], plan: _Plan, room: tuple[tuple[_Forms, _Window], Uint32s, int]
) -> int:
    """The shingles of text[i:end], place = (i, end), put at hashes[used]: the place after them, or what did not fit."""
    i, end = place
    n, most = plan
    tools, hashes, used = room
    _, window = tools
    words, j, carries = 0, 0, 0
    past = 0  # words that have left the window
    first = n - 1  # the next word of the window that ends a shingle
    window.starts[0] = 0
    while True:
        i, words, j, carries = _read_words(text, (i, end), tools, (words, j, carries))
        if i >= end:
            words, j = _close(window, words, j)
        used = _hash_words(window, (n, first, min(words, most - past)), hashes, used)
        if used < 0 or i >= end or past + words >= most:
            break
        kept = min(n - 1, words)
        j = _slide(window, words, kept, j)
        past += words - kept
        words, first = kept, n - 1
        if j > len(window.data) - SPARE_BYTES:
            return -NO_WINDOW
    if used >= 0 and 0 < past + words < n:
        used = _hash_words(window, (words, words - 1, words), hashes, used)
    return used


@kernel
def _find(view: BytesView, plan: _Plan, tools: tuple[_Forms, _Window], room: _Room) -> None:
    """Fill in shingles from where `progress` stands, until done or a document does not fit; plan = (n, most words)."""
    progress = room.progress
    for x in range(progress[0], len(view.starts)):
        used = _find_in(view.data, (view.starts[x], view.ends[x]), plan, (tools, room.hashes, progress[1]))
        if used < 0:
            progress[2] = -used
            return
        room.bounds[x + 1] = used
        progress[0], progress[1] = x + 1, used


def _larger(room: _Room) -> _Room:
    hashes = np.empty(2 * len(room.hashes), np.uint32)
    hashes[: room.progress[1]] = room.hashes[: room.progress[1]]
    return room._replace(hashes=hashes)


def _window(size: int) -> _Window:
    return _Window(np.empty(size, np.uint8), np.empty(size // 2 + 2, np.int64))


def shingles(texts: Texts, n: int = 5, *, most_words: int | None = None) -> Shingles:
    """The shingles of n words (1-64) of each text, of its first `most_words` words only if given; null has none.

    Raises ValueError for other n or `most_words`.
    """
    if not 1 <= n <= LONGEST:
        message = f"shingles of 1 to {LONGEST} words, not {n}"
        raise ValueError(message)
    if most_words is not None and most_words < n:
        message = f"most_words {most_words} is less than the {n} words of a shingle"
        raise ValueError(message)
    view = view_bytes(texts)
    count = len(view.starts)
    size = int((view.ends - view.starts).sum())
    most = size + 1 if most_words is None else most_words
    hashes = np.empty(min(size // BYTES_PER_SHINGLE + count, count * most) + 1, np.uint32)
    room = _Room(hashes, np.zeros(count + 1, np.int64), np.zeros(3, np.int64))
    window = _window(WINDOW)
    while True:
        _find(view, (n, most), (_forms(), window), room)
        done, used, stopped_for = room.progress.tolist()
        if done == count:
            return Shingles(readonly(room.hashes[:used]), readonly(room.bounds))
        if stopped_for == NO_WINDOW:
            window = _window(2 * len(window.data))
        else:
            room = _larger(room)
