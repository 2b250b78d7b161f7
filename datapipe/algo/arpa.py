"""Back-off n-gram language models in ARPA files: loading, and log10 probabilities of texts.

Why: the models of ccnet and its like are such files, or are built from them. Scores are kenlm's to the last bit (both
add float32 in the same order; a test holds that), without a compiled package: what is in text form needs none.
A word is what stands between ASCII white space, a sentence is a line between <s> and </s>; unknown words are <unk>.
n-grams lie in one table with open addressing under 64-bit hashes, so that one in some 10^12 unknown n-grams is
mistaken for a known one in a model of 10 million.
Costs: loading, 4 s for a million n-grams and 24-48 bytes for each; scoring 43 MB/s of a core with such a model.
Large models are better built into kenlm's binary files, which need no loading.
Source: Katz 1987 (back-off); Heafield 2011 (KenLM), whose table this follows; the file is SRILM's ngram-format(5).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from datapipe.errors import InputError
from datapipe.text import readonly, view_bytes, xxh64
from datapipe.text.buffers import BytesView, Texts
from datapipe.text.jit import U64, Float64s, Int, Int64s, Uint64s, inlined, kernel

__all__ = ["ArpaModel", "load_arpa"]

Float32s = npt.NDArray[np.float32]

BEGIN, END, UNKNOWN = b"<s>", b"</s>", b"<unk>"
UNKNOWN_MISSING = -100.0  # log10 probability of <unk> where the file has none; kenlm's default
GZIP = b"\x1f\x8b"
LINES = 1 << 16  # read at a time
MULTIPLIER = U64(0x9E3779B97F4A7C15)
HALF = U64(32)
LINE_FEED, SPACE = 0x0A, 0x20


class _Table(NamedTuple):
    """n-grams by hash: slots are a power of two, at least half as many again as n-grams; NaN marks an empty one.

    keys: uint64; probabilities, backoffs: float32 (log10), all one per slot.
    """

    keys: Uint64s
    probabilities: Float32s
    backoffs: Float32s


class _State(NamedTuple):
    """The words before the next (hashes, the last first), the back-off weight of each context; room for the new."""

    words: Uint64s
    backoffs: Float32s
    fresh: Float32s


class ArpaModel(NamedTuple):
    """A loaded model; `order` is the length of its longest n-grams."""

    order: int
    table: _Table

    def scores(self, texts: Texts) -> tuple[Float64s, Int64s]:
        """The log10 probability of each text (float64) and its words, with one end of sentence for each line (int64).

        Lines that are empty count as sentences of no words; an empty text or null has no lines: 0 and 0.
        """
        view = view_bytes(texts)
        found, lengths = np.zeros(len(view.starts), np.float64), np.zeros(len(view.starts), np.int64)
        markers = np.array([xxhash.xxh64_intdigest(word) for word in (BEGIN, END, UNKNOWN)], np.uint64)
        backoffs = np.zeros((2, self.order), np.float32)
        state = _State(np.zeros(self.order, np.uint64), backoffs[0], backoffs[1])
        _score_texts(view, (self.table, readonly(markers)), state, (found, lengths))
        return found, lengths


# ---------------------------------------------------------------------------------------------- kernels


@inlined
def _longer(key: Any, word: Any) -> Any:
    """The key of an n-gram with one more word before it."""
    return ((key ^ (key >> HALF)) * MULTIPLIER) ^ word


@inlined
def _find(table: _Table, key: Any) -> Int:
    """The slot of an n-gram, or the empty one where it would be put."""
    last = len(table.keys) - 1
    slot = np.int64(key & U64(last))
    while not np.isnan(table.probabilities[slot]) and table.keys[slot] != key:
        slot = (slot + 1) & last
    return slot


@kernel
def _put(table: _Table, keys: Uint64s, probabilities: Float32s, backoffs: Float32s) -> int:
    """Put n-grams into the table; returns how many stood in it already."""
    again = 0
    for x in range(len(keys)):
        slot = _find(table, keys[x])
        if not np.isnan(table.probabilities[slot]):
            again += 1
        table.keys[slot] = keys[x]
        table.probabilities[slot] = probabilities[x]
        table.backoffs[slot] = backoffs[x]
    return again


@inlined
def _score_word(table: _Table, state: _State, size: int, words: tuple[Any, Any]) -> tuple[Any, int]:
    """log10 probability (float32) of a word after the state's `size` words, and the size of the state after it."""
    word, unknown = words
    slot = _find(table, word)
    if np.isnan(table.probabilities[slot]):
        word = unknown
        slot = _find(table, word)
    total = table.probabilities[slot]
    most = len(state.words) - 1
    key, met = word, 1
    if most > 0:
        state.fresh[0] = table.backoffs[slot]
    while met <= size:
        key = _longer(key, state.words[met - 1])
        slot = _find(table, key)
        if np.isnan(table.probabilities[slot]):
            break
        total = table.probabilities[slot]
        if met < most:
            state.fresh[met] = table.backoffs[slot]
        met += 1
    for k in range(met - 1, size):
        total += state.backoffs[k]
    after = min(met, most)
    for k in range(after - 1, 0, -1):
        state.words[k] = state.words[k - 1]
    state.words[0] = word
    for k in range(after):
        state.backoffs[k] = state.fresh[k]
    return total, after


@inlined
def _is_space(byte: int) -> bool:
    """ASCII white space; line feeds among it."""
    return byte == SPACE or 0x09 <= byte <= 0x0D


@kernel
def _score_texts(view: BytesView, model: tuple[_Table, Uint64s], state: _State, found: tuple[Float64s, Int64s]) -> None:
    """Fill in the log10 probability and the length of each text; of the model, <s>, </s> and <unk> by their hashes."""
    table, markers = model
    scores, lengths = found
    begin, end_of_sentence, unknown = markers[0], markers[1], markers[2]
    for x in range(len(view.starts)):
        i, end = view.starts[x], view.ends[x]
        if i == end:
            continue
        while i <= end:
            state.words[0] = begin
            state.backoffs[0] = table.backoffs[_find(table, begin)]
            size = min(1, len(state.words) - 1)
            total = np.float32(0.0)
            while i < end and view.data[i] != LINE_FEED:
                j = i
                while j < end and not _is_space(view.data[j]):
                    j += 1
                if j > i:
                    score, size = _score_word(table, state, size, (xxh64(view.data, i, j, U64(0)), unknown))
                    total += score
                    lengths[x] += 1
                    i = j
                else:
                    i += 1
            score, size = _score_word(table, state, size, (end_of_sentence, unknown))
            total += score
            lengths[x] += 1
            scores[x] += total
            i += 1


# ---------------------------------------------------------------------------------------------- loading


class _Damaged(Exception):
    """What is wrong with a file."""


def load_arpa(path: Path, stage: str) -> ArpaModel:
    """The model in an ARPA file, as it is or compressed by gzip. Raises InputError if it is none, or damaged."""
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == GZIP
        with gzip.open(path) if compressed else path.open("rb") as file:
            return _load(iter(file))
    except (_Damaged, ValueError, LookupError, EOFError, gzip.BadGzipFile) as error:
        what = str(error) if isinstance(error, _Damaged) else "a line that is no n-gram with its log10 probability"
        raise InputError(
            f"{stage}: {path} is no ARPA model: {what}", remedy="write it anew with lmplz or another such tool"
        ) from None


def _load(lines: Iterator[bytes]) -> ArpaModel:
    counts = _counts(lines)
    slots = 1 << (sum(counts) * 3 // 2).bit_length()
    table = _Table(np.zeros(slots, np.uint64), np.full(slots, np.nan, np.float32), np.zeros(slots, np.float32))
    numbers: dict[bytes, int] = {}
    hashes = np.zeros(0, np.uint64)
    for order, count in enumerate(counts, 1):
        if _next_line(lines) != b"\\%d-grams:" % order:
            raise _Damaged(f"its {order}-grams are not where they should be")
        left = count
        while left > 0:
            some = list(islice(lines, min(left, LINES)))
            left -= len(some)
            if not some:
                raise _Damaged(f"it ends before its {order}-grams do")
            if order == 1:
                hashes = _with_words(some, numbers, hashes)
            _put_lines(some, order, table, (numbers, hashes))
    if _next_line(lines) != b"\\end\\":
        raise _Damaged("it does not stop where its counts say")
    _check_markers(table, numbers)
    return ArpaModel(len(counts), table)


def _next_line(lines: Iterator[bytes]) -> bytes:
    """The next line that is not blank; empty at the end."""
    return next((line.strip() for line in lines if line.strip()), b"")


def _counts(lines: Iterator[bytes]) -> list[int]:
    """How many n-grams of each order the head of the file says there are."""
    for line in islice(lines, 1000):
        if line.strip() == b"\\data\\":
            break
    else:
        raise _Damaged("it has no line \\data\\")
    counts: list[int] = []
    for line in lines:
        if not line.strip():
            break
        name, _, count = line.partition(b"=")
        if name.split() != [b"ngram", b"%d" % (len(counts) + 1)] or not count.strip().isdigit():
            raise _Damaged("its counts are not in order")
        counts.append(int(count))
    if not counts:
        raise _Damaged("it counts no n-grams")
    return counts


def _with_words(lines: list[bytes], numbers: dict[bytes, int], hashes: Uint64s) -> Uint64s:
    """Number the words of 1-grams; the hashes of all words so far, by number."""
    words = [line.split()[1] for line in lines]
    numbers.update(zip(words, range(len(hashes), len(hashes) + len(words)), strict=True))
    return np.concatenate([hashes, np.array([xxhash.xxh64_intdigest(word) for word in words], np.uint64)])


def _put_lines(lines: list[bytes], order: int, table: _Table, words: tuple[dict[bytes, int], Uint64s]) -> None:
    """Put the n-grams of some lines into the table."""
    numbers, hashes = words
    split = [line.split() for line in lines]
    if any(not order < len(parts) <= order + 2 for parts in split):
        raise _Damaged(f"a line among its {order}-grams has another number of words")
    ids = np.array([[numbers[word] for word in parts[1 : order + 1]] for parts in split], np.int64)
    probabilities = np.array([float(parts[0]) for parts in split]).astype(np.float32)
    backoffs = np.array([float(parts[-1]) if len(parts) > order + 1 else 0.0 for parts in split]).astype(np.float32)
    if not (np.isfinite(backoffs).all() and (probabilities <= 0).all()):
        raise _Damaged("a log10 probability is above 0 or no number")
    keys = hashes[ids[:, -1]]
    for place in range(order - 2, -1, -1):
        before = hashes[ids[:, place]]
        keys = ((keys ^ (keys >> HALF)) * MULTIPLIER) ^ before
    if _put(table, readonly(keys), readonly(probabilities), readonly(backoffs)):
        raise _Damaged(f"one of its {order}-grams stands twice")


def _check_markers(table: _Table, numbers: dict[bytes, int]) -> None:
    if BEGIN not in numbers or END not in numbers:
        raise _Damaged("it lacks <s> or </s>")
    if UNKNOWN not in numbers:
        key = np.array([xxhash.xxh64_intdigest(UNKNOWN)], np.uint64)
        given = np.array([[UNKNOWN_MISSING], [0.0]], np.float32)
        _put(table, readonly(key), readonly(given[0]), readonly(given[1]))
