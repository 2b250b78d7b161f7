"""Runs of n tokens as hashes, a table of those that items of benchmarks have, and which of them stand in documents.

What: `hit_grams` reads documents once, byte by byte: tokens, their runs in each of some lengths (for words and for
characters), a Bloom filter, then the table. Nothing is kept of a document but what hit.
Hashes are polynomials over the tokens' hashes modulo 2^64, mixed; a length beyond the first is salted, so that the
three words of a short item are nothing that a long one holds.
Costs: see `datapipe.algo.item_match`; 12 bytes a hit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from datapipe.algo.folded_tokens import CHARACTER, NONE, Fold, Tokens, next_token
from datapipe.text.buffers import BytesView, readonly
from datapipe.text.characters import mix
from datapipe.text.jit import I64, U64, Int32s, Int64s, Uint8s, Uint64s, inlined, kernel

__all__ = ["ABSENT", "Hits", "Lengths", "Table", "grams_of", "hit_grams", "look_up", "make_table"]

MULTIPLIER = U64(0x9E3779B97F4A7C15)
SALT = U64(0x5BD1E9955BD1E995)
RING = 16  # tokens that are remembered; no run is longer
LAST = RING - 1
BITS_A_GRAM = 8  # of the Bloom filter
FILL = 0.6  # of the table, at most
SLOT_SHIFT, BIT_SHIFT, BITS = U64(12), U64(6), U64(63)
ABSENT = -1
EMPTY = U64(0)


class Lengths(NamedTuple):
    """Tokens of a run: tokens int64 (ways, 2) for words and characters; powers uint64, of the multiplier."""

    tokens: Int64s
    powers: Uint64s

    @classmethod
    def of(cls, *ways: tuple[int, int]) -> Lengths:
        """Lengths for words and for characters, at most 15."""
        powers = [[pow(int(MULTIPLIER), size, 1 << 64) for size in way] for way in ways]
        return cls(readonly(np.array(ways, np.int64)), readonly(np.array(powers, np.uint64)))


class Table(NamedTuple):
    """Numbers of hashes. bloom and keys uint64, values int32, shape int64: the Bloom filter's shift, the keys' mask."""

    bloom: Uint64s
    keys: Uint64s
    values: Int32s
    shape: Int64s


class Hits(NamedTuple):
    """Runs found, in order of text and token, all int32: the text, the number of the run's last token, the hash's."""

    text: Int32s
    token: Int32s
    gram: Int32s


@inlined
def _bits(hashed: Any) -> Any:
    return (U64(1) << (hashed & BITS)) | (U64(1) << ((hashed >> BIT_SHIFT) & BITS))


@inlined
def _number(hashed: Any, table: Table) -> int:
    """The number of a hash that passed the Bloom filter, or ABSENT."""
    mask = U64(table.shape[1])
    slot = (hashed >> SLOT_SHIFT) & mask
    while table.keys[slot] != EMPTY:
        if table.keys[slot] == hashed:
            number: int = I64(table.values[slot])
            return number
        slot = (slot + U64(1)) & mask
    return ABSENT


@inlined
def _gram(now: Any, before: Any, power: Any, way: int) -> Any:
    hashed = mix(now - before * power)
    if way > 0:
        hashed ^= SALT
    return max(hashed, U64(1))


@kernel
def _insert(grams: Uint64s, table: Table) -> None:
    bloom, keys, values, shape = table
    shift, mask = U64(shape[0]), U64(shape[1])
    for number in range(len(grams)):
        hashed = grams[number]
        bloom[hashed >> shift] |= _bits(hashed)
        slot = (hashed >> SLOT_SHIFT) & mask
        while keys[slot] != EMPTY:
            slot = (slot + U64(1)) & mask
        keys[slot] = hashed
        values[slot] = number


def make_table(grams: Uint64s) -> Table:
    """The table in which each of these different hashes has its place among them as number."""
    size = 1 << max(10, int(np.ceil(np.log2(len(grams) / FILL + 1))))
    words = 1 << max(4, int(np.ceil(np.log2(len(grams) * BITS_A_GRAM / 64 + 1))))
    shape = readonly(np.array([64 - int(np.log2(words)), size - 1], np.int64))
    made = Table(np.zeros(words, np.uint64), np.zeros(size, np.uint64), np.zeros(size, np.int32), shape)
    _insert(readonly(grams), made)
    return Table(readonly(made.bloom), readonly(made.keys), readonly(made.values), shape)


@kernel
def _find(grams: Uint64s, table: Table, numbers: Int64s) -> None:
    for i in range(len(grams)):
        numbers[i] = _number(grams[i], table)


def look_up(grams: Uint64s, table: Table) -> Int64s:
    """The number of each hash, int64; ABSENT if the table does not hold it."""
    numbers = np.empty(len(grams), np.int64)
    _find(readonly(grams), table, numbers)
    return numbers


@kernel
def _roll(tokens: Tokens, ways: Uint8s, lengths: Lengths, out: tuple[Uint64s, Uint64s]) -> None:
    hashes, classes, bounds = tokens
    grams, ring = out
    for x in range(len(bounds) - 1):
        way: int = I64(ways[x])
        state = U64(0)
        ring[0] = state
        for n in range(bounds[x + 1] - bounds[x]):
            i = bounds[x] + n
            state = state * MULTIPLIER + hashes[i]
            ring[(n + 1) & LAST] = state
            kind = 1 if classes[i] == CHARACTER else 0
            size = lengths.tokens[way, kind]
            if n + 1 >= size:
                grams[i] = _gram(state, ring[(n + 1 - size) & LAST], lengths.powers[way, kind], way)


def grams_of(tokens: Tokens, ways: Uint8s, lengths: Lengths) -> Uint64s:
    """For each token the hash of the run that ends with it, 0 if there is none; `ways`: which lengths each text has."""
    grams = np.zeros(len(tokens.hashes), np.uint64)
    hashes, classes, bounds = tokens
    given = Tokens(readonly(hashes), readonly(classes), readonly(bounds))
    _roll(given, readonly(ways), lengths, (grams, np.zeros(RING, np.uint64)))
    return grams


@kernel
def _scan(view: BytesView, tools: tuple[Fold, Lengths, Table], room: tuple[Hits, Int64s], ring: Uint64s) -> None:
    """Note the hits from text progress[0] on, until done or those of a text do not fit.

    progress: texts done, hits noted.
    """
    fold, lengths, table = tools
    (text, token, gram), progress = room
    shift = U64(table.shape[0])
    ways, _ = lengths.tokens.shape
    for x in range(progress[0], len(view.starts)):
        used = progress[1]
        i, n, state = view.starts[x], 0, U64(0)
        ring[0] = state
        while True:
            _, i, hashed, kind = next_token(view.data, (i, view.starts[x], view.ends[x]), fold)
            if kind == NONE:
                break
            state = state * MULTIPLIER + hashed
            n += 1
            ring[n & LAST] = state
            column = 1 if kind == CHARACTER else 0
            for way in range(ways):
                size = lengths.tokens[way, column]
                if n < size:
                    continue
                run = _gram(state, ring[(n - size) & LAST], lengths.powers[way, column], way)
                wanted = _bits(run)
                if table.bloom[run >> shift] & wanted != wanted:
                    continue
                number = _number(run, table)
                if number == ABSENT:
                    continue
                if used == len(text):
                    return
                text[used], token[used], gram[used] = x, n - 1, number
                used += 1
        progress[0], progress[1] = x + 1, used


def _room(size: int) -> Hits:
    return Hits(np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32))


def hit_grams(view: BytesView, fold: Fold, lengths: Lengths, table: Table) -> Hits:
    """All runs of the texts of a view that the table holds."""
    room, progress = _room(1024), np.zeros(2, np.int64)
    ring = np.zeros(RING, np.uint64)
    while True:
        _scan(view, (fold, lengths, table), (room, progress), ring)
        done, used = progress.tolist()
        if done == len(view.starts):
            return Hits(*(readonly(part[:used]) for part in room))
        larger = _room(4 * len(room.text))
        for old, new in zip(room, larger, strict=True):
            new[:used] = old[:used]
        room = larger
