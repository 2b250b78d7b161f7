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
import numpy.typing as npt

from datapipe.algo.folded_tokens import CHARACTER, NONE, Fold, Tokens, next_token
from datapipe.text.buffers import BytesView, readonly
from datapipe.text.characters import mix
from datapipe.text.jit import I64, U64, Int32s, Int64s, Uint8s, Uint64s, called, inlined, kernel

__all__ = ["ABSENT", "Hits", "Lengths", "Table", "grams_of", "hit_grams", "look_up", "make_table"]

Uint32s = npt.NDArray[np.uint32]

MULTIPLIER = U64(0x9E3779B97F4A7C15)
SALT = U64(0x5BD1E9955BD1E995)
RING = 16  # tokens that are remembered; no run is longer
LAST = RING - 1
BLOCK = 1024  # tokens that are looked up together
BITS_A_GRAM = 8  # of the Bloom filter
FILL = 0.6  # of the table, at most
SIEVE_WORDS = 1 << 17  # 1 MiB
SIEVE_SHIFT, SLOT_SHIFT, BIT_SHIFT, BITS = U64(24), U64(12), U64(6), U64(63)
ABSENT = -1
EMPTY = U64(0)
HALF = U64(0xFFFFFFFF)  # of a token's hash: enough to compare words near a run that is equal


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
    """Numbers of hashes: what fits into a core's own cache is asked first, then a Bloom filter, then the table.

    sieve, bloom and keys uint64, values int32; shape int64: the Bloom filter's shift, the masks of keys and sieve.
    """

    sieve: Uint64s
    bloom: Uint64s
    keys: Uint64s
    values: Int32s
    shape: Int64s


class Hits(NamedTuple):
    """Runs found, in order of text and token, all int32: the text, the number of the run's last token, the hash's.

    And what they were found in: words uint32, half of the hash of every token; bounds int64 (texts + 1,) of each
    text's.
    """

    text: Int32s
    token: Int32s
    gram: Int32s
    words: Uint32s
    bounds: Int64s


@inlined
def _bits(hashed: Any) -> Any:
    first, second, third = hashed & BITS, (hashed >> BIT_SHIFT) & BITS, (hashed >> SLOT_SHIFT) & BITS
    return (U64(1) << first) | (U64(1) << second) | (U64(1) << third)


@inlined
def _sieve(hashed: Any, mask: Any) -> tuple[Any, Any]:
    """The word of a hash in the sieve, and its bit."""
    return (hashed >> SIEVE_SHIFT) & mask, U64(1) << ((hashed >> BIT_SHIFT) & BITS)


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
    sieve, bloom, keys, values, shape = table
    shift, mask, sieve_mask = U64(shape[0]), U64(shape[1]), U64(shape[2])
    for number in range(len(grams)):
        hashed = grams[number]
        word, bit = _sieve(hashed, sieve_mask)
        sieve[word] |= bit
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
    sieve = min(words, SIEVE_WORDS)
    shape = readonly(np.array([64 - int(np.log2(words)), size - 1, sieve - 1], np.int64))
    filters = np.zeros(sieve, np.uint64), np.zeros(words, np.uint64)
    made = Table(*filters, np.zeros(size, np.uint64), np.zeros(size, np.int32), shape)
    _insert(readonly(grams), made)
    parts: Any = [readonly(part) for part in made]
    return Table(*parts)


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


class _Room(NamedTuple):
    """Room for hits, and the bounds of the tokens of each text."""

    text: Int32s
    token: Int32s
    gram: Int32s
    bounds: Int64s


class _Block(NamedTuple):
    """Some tokens of a text. states uint64 (RING + BLOCK,): the hash of all before each, and of the RING before those.

    words uint32, room for the tokens of all texts; classes uint8 (BLOCK,); of runs that passed the Bloom filter runs
    uint64 and places int64, both (2 * BLOCK,): 2 * token of the block, + 1 for those of the second length.
    """

    states: Uint64s
    words: Uint32s
    classes: Uint8s
    runs: Uint64s
    places: Int64s


@called
def _tokenise(view: BytesView, place: tuple[int, int, int], fold: Fold, block: _Block) -> tuple[int, int]:
    """Fill a block from byte place[0] of text place[1] on; the byte after it, and how many tokens it holds.

    place[2]: tokens noted so far.
    """
    i, x, noted = place
    state = block.states[LAST]
    count = 0
    while count < BLOCK:
        _, i, hashed, kind = next_token(view.data, (i, view.starts[x], view.ends[x]), fold)
        if kind == NONE:
            break
        state = state * MULTIPLIER + hashed
        block.states[RING + count] = state
        block.words[noted + count] = hashed & HALF
        block.classes[count] = kind == CHARACTER
        count += 1
    return i, count


@called
def _pass(span: tuple[int, int], lengths: Lengths, table: Table, block: _Block) -> int:
    """How many runs of a block, of whose text span[0] tokens were before it, may be in the table."""
    before, count = span
    shift, mask = U64(table.shape[0]), U64(table.shape[2])
    some = 0
    for k in range(count):
        column = block.classes[k]
        for way in range(len(lengths.tokens)):
            size = lengths.tokens[way, column]
            run = _gram(block.states[RING + k], block.states[RING + k - size], lengths.powers[way, column], way)
            word, bit = _sieve(run, mask)
            block.runs[some], block.places[some] = run, 2 * k + way
            some += I64((table.sieve[word] & bit != 0) & (before + k + 1 >= size))
    found = 0
    for k in range(some):
        run = block.runs[k]
        wanted = _bits(run)
        block.runs[found], block.places[found] = run, block.places[k]
        found += I64(table.bloom[run >> shift] & wanted == wanted)
    return found


@kernel
def _scan(view: BytesView, tools: tuple[Fold, Lengths, Table], room: tuple[_Room, Int64s], block: _Block) -> None:
    """Note the hits from text progress[0] on, until done or those of a text do not fit.

    progress: texts done, hits noted. By blocks, so that the waits for memory of many look-ups are one.
    """
    fold, lengths, table = tools
    (text, token, gram, bounds), progress = room
    for x in range(progress[0], len(view.starts)):
        used = progress[1]
        i, before, count = view.starts[x], 0, BLOCK
        block.states[LAST] = 0
        while count == BLOCK:
            i, count = _tokenise(view, (i, x, bounds[x] + before), fold, block)
            for k in range(_pass((before, count), lengths, table, block)):
                number = _number(block.runs[k], table)
                if number == ABSENT:
                    continue
                if used == len(text):
                    return
                text[used], token[used], gram[used] = x, before + (block.places[k] >> 1), number
                used += 1
            for k in range(RING):
                block.states[k] = block.states[BLOCK + k]
            before += count
        progress[0], progress[1] = x + 1, used
        bounds[x + 1] = bounds[x] + before


def hit_grams(view: BytesView, fold: Fold, lengths: Lengths, table: Table) -> Hits:
    """All runs of the texts of a view that the table holds; 2 bytes of scratch a byte."""
    most = int(((view.ends - view.starts + 1) // 2).sum())  # a token and what ends it, or a character of three bytes
    block = _Block(
        np.zeros(RING + BLOCK, np.uint64),
        np.empty(most, np.uint32),
        np.zeros(BLOCK, np.uint8),
        np.zeros(2 * BLOCK, np.uint64),
        np.zeros(2 * BLOCK, np.int64),
    )
    bounds, progress = np.zeros(len(view.starts) + 1, np.int64), np.zeros(2, np.int64)
    room: Any = [np.empty(1024, np.int32) for _ in range(3)]
    while True:
        _scan(view, (fold, lengths, table), (_Room(*[*room, bounds]), progress), block)
        done, used = progress.tolist()
        if done == len(view.starts):
            found: Any = [*(part[:used] for part in room), block.words[: bounds[-1]], bounds]
            return Hits(*map(readonly, found))
        larger = [np.empty(4 * len(part), np.int32) for part in room]
        for old, new in zip(room, larger, strict=True):
            new[:used] = old[:used]
        room = larger
