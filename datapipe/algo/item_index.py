"""The index of benchmark items: which runs of tokens stand in which, and how much each token tells.

What: an item is looked for by its *parts*: its input; its input with its options, or with its answer where that is
short; a long answer; a context. Every run of 5 words or 8 characters of a part is in the index, of parts under 16 words
or 24 characters every run of 3 or 5. A token tells min(9, -log2 p) bits by a background table, a character 0.6 of
that, a short word at most 4.5; less where the runs around it stand in several items or in ordinary texts.
Why these: runs too common to tell anything are left out, and a sum of bits tells a template from a text.
An item counts as *identifiable* if its input has 8 tokens and 30 bits; of others a verdict needs options or an answer.
Costs: 50,000 items 9 s and 1.4 GB; 255 MB of files, which processes share.
Source: of the measure, AI2's decon (idf-weighted overlap of question and answer); its numbers were chosen on planted
items of 17 benchmarks (tests/real/test_decontaminate.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from datapipe.algo.background import Background
from datapipe.algo.folded_tokens import CHARACTER, SHORT, Fold, Tokens, tokens_of
from datapipe.algo.item_grams import HALF, RING, Lengths, Table, Uint32s, grams_of, look_up, make_table
from datapipe.algo.item_rules import CONTEXT, INPUT, INPUT_OUTPUT, OUTPUT, floors
from datapipe.algo.resource import loaded_once
from datapipe.errors import InputError
from datapipe.stage import SUMMARY
from datapipe.text.buffers import readonly, view_bytes
from datapipe.text.hashing import hash_slices
from datapipe.text.jit import Float64s, Int32s, Int64s, Uint8s, Uint64s, kernel
from datapipe.text.segmentation import flat

__all__ = [
    "CONTEXT",
    "INPUT",
    "INPUT_OUTPUT",
    "KINDS",
    "LENGTHS",
    "OUTPUT",
    "Index",
    "Item",
    "build_index",
    "identifiable",
    "load_index",
]

Float32s = npt.NDArray[np.float32]

KINDS = ("input", "input_output", "context", "output")

LENGTHS = Lengths.of((5, 8), (3, 5))
SHORT_WORDS, SHORT_CHARACTERS = 16, 24  # a part with fewer is indexed by its shorter runs
MOST_TOKENS = 2048  # of a part; what stands behind is not looked for
SHORT_OUTPUT = 400  # characters: an answer under this is looked for beside its input
LONG_OUTPUT = 150  # characters: an answer from this on is looked for by itself
MOST_ITEMS = 256  # a run that stands in more different inputs tells nothing
FREE_ITEMS = 3  # in as many a run tells all it can
LEAST_SHARE = 0.35  # of its bits that a common run keeps: without it items made from templates cannot match
MOST_BITS, SHORT_BITS, CHARACTER_SHARE = 9.0, 4.5, 0.6
IDENTIFIABLE_TOKENS, IDENTIFIABLE_BITS = 8, 30.0
RUNS_SHARE, RUNS_BITS = 0.7, 20.0  # of the least bits, and bits, that runs must cover; the rest may be single words
SMALL = 1e-3  # bits: so that no run counts for nothing
_SENTENCE = re.compile(r"[.!?](?=\s)|[。！？\n]+")
_END = " .?!。？！\n"
_ABOUT = "index.json"


@dataclass(frozen=True)
class Item:
    """One item: its benchmark, its number there, and its texts; those that it has not are empty."""

    benchmark: str
    number: int
    input: str
    output: str = ""
    options: tuple[str, ...] = ()
    context: str = ""


class Index(NamedTuple):
    """All that documents are held against.

    table: numbers of runs. offsets int32: run r stands in segments[offsets[r]:offsets[r + 1]] (int32), there ending at
    the token `places` (int32), and of it covers so many bits (`gains`, float32).
    Of segment s: its tokens first[s] to first[s + 1] (int64), in `lengths` (uint8, of the run that ends there) and, one
    further for each segment before, in `sums` (float64, bits of the tokens before); `words` (uint32) are half of the
    tokens' hashes, `short` (uint8) the tokens of an option or answer without a run where it begins, else 0; kind
    uint8; item int32; window int64, tokens of a document that it may be spread over; floor, gate and bits float64:
    least, least by runs, and all; own int64, tokens of its input; input int32, the segment of its item's input.
    Of items: benchmark int32 (in `about`), number int32, has_options bool.
    """

    table: Table
    offsets: Int32s
    segments: Int32s
    places: Int32s
    gains: Float32s
    first: Int64s
    lengths: Uint8s
    words: Uint32s
    short: Uint8s
    sums: Float64s
    kind: Uint8s
    item: Int32s
    window: Int64s
    floor: Float64s
    gate: Float64s
    bits: Float64s
    own: Int64s
    input: Int32s
    benchmark: Int32s
    number: Int32s
    has_options: npt.NDArray[np.bool_]


class _Parts(NamedTuple):
    """Texts of items, and the segments that are made of them: part numbers `part` of segments `segment`, in order."""

    texts: list[str]
    sentences: Int64s
    part: Int64s
    segment: Int64s
    kind: Uint8s
    item: Int32s


def _parts_of(items: Sequence[Item]) -> _Parts:
    texts: list[str] = []
    parts: list[int] = []
    segments: list[int] = []
    kinds: list[int] = []
    owners: list[int] = []

    def add(kind: int, owner: int, numbers: list[int]) -> None:
        parts.extend(numbers)
        segments.extend([len(kinds)] * len(numbers))
        kinds.append(kind)
        owners.append(owner)

    def numbered(*new: str) -> list[int]:
        texts.extend(new)
        return list(range(len(texts) - len(new), len(texts)))

    for owner, item in enumerate(items):
        own = numbered(item.input)
        add(INPUT, owner, own)
        beside = item.options or ((item.output,) if 0 < len(item.output) < SHORT_OUTPUT else ())
        if beside:
            add(INPUT_OUTPUT, owner, own + numbered(*beside))
        if item.context:
            add(CONTEXT, owner, numbered(item.context))
        if len(item.output) >= LONG_OUTPUT and not item.options:
            add(OUTPUT, owner, numbered(item.output))
    sentences = np.array([len(_SENTENCE.findall(text.rstrip(_END))) + 1 for text in texts], np.int64)
    return _Parts(
        texts,
        sentences,
        part=np.array(parts, np.int64),
        segment=np.array(segments, np.int64),
        kind=np.array(kinds, np.uint8),
        item=np.array(owners, np.int32),
    )


def _ways(tokens: Tokens) -> Uint8s:
    """1 for parts that are indexed by shorter runs."""
    counts = np.diff(tokens.bounds)
    single = np.append(0, np.cumsum(tokens.classes == CHARACTER))[tokens.bounds]
    characters = np.diff(single)
    short = (counts - characters) / SHORT_WORDS + characters / SHORT_CHARACTERS < 1
    return short.astype(np.uint8)


def _information(tokens: Tokens, background: Background) -> Float64s:
    """Bits of each token."""
    bits = np.minimum(background.bits_of(tokens.hashes), MOST_BITS)
    bits = np.where(tokens.classes == CHARACTER, bits * CHARACTER_SHARE, bits)
    found: Float64s = np.where(tokens.classes == SHORT, np.minimum(bits, SHORT_BITS), bits)
    return found


@kernel
def _spread(runs: tuple[Int64s, Uint8s], shares: Float64s, bounds: Int64s, best: Float64s) -> None:
    """For each token the largest share of the runs that it stands in; runs: number (or -1) and length by last token."""
    numbers, lengths = runs
    for x in range(len(bounds) - 1):
        for i in range(bounds[x], bounds[x + 1]):
            if numbers[i] >= 0:
                for j in range(i - lengths[i] + 1, i + 1):
                    best[j] = max(best[j], shares[numbers[i]])


class _Runs(NamedTuple):
    """Runs of all parts: by token its number (-1: none) and length; by number hash, and in how many inputs it is."""

    number: Int64s
    length: Uint8s
    hashes: Uint64s
    inputs: Int64s


def _runs_of(tokens: Tokens, ways: Uint8s, question: Int64s) -> _Runs:
    """`question`: of each part the number of its item's input; equal inputs have one."""
    grams = grams_of(tokens, ways, LENGTHS)
    owner, _ = flat(tokens.bounds[:-1], tokens.bounds[1:])
    length = LENGTHS.tokens[ways[owner], (tokens.classes == CHARACTER).astype(np.int64)].astype(np.uint8)
    some = np.flatnonzero(grams)
    hashes, inverse = np.unique(grams[some], return_inverse=True)
    number = np.full(len(grams), -1, np.int64)
    number[some] = inverse
    width = int(question.max(initial=0)) + 1
    pairs = np.unique(inverse.astype(np.int64) * width + question[owner[some]])
    return _Runs(number, length, hashes, np.bincount(pairs // width, minlength=len(hashes)))


def _shares(runs: _Runs, table: Table, background: Background) -> Float64s:
    """How much of its bits each run leaves to a token."""
    documents = np.zeros(len(runs.hashes), np.int64)
    known = look_up(background.grams, table)
    documents[known[known >= 0]] = background.documents[known >= 0]
    share = np.minimum(1.0, FREE_ITEMS / np.maximum(runs.inputs, 1)) / (1 + documents)
    found: Float64s = np.where(runs.inputs <= MOST_ITEMS, np.maximum(LEAST_SHARE, share), 0.0)
    return found


def build_index(items: Sequence[Item], background: Background, fold: Fold, folder: Path) -> None:
    """Write the index of items to an empty folder."""
    parts = _parts_of(items)
    tokens = tokens_of(view_bytes(pa.array(parts.texts, pa.large_string())), fold)
    ways = _ways(tokens)
    inputs = hash_slices(view_bytes(pa.array([item.input for item in items], pa.large_string())))
    _, same = np.unique(inputs, return_inverse=True)
    owner_of_part = np.zeros(len(parts.texts), np.int64)
    owner_of_part[parts.part] = parts.item[parts.segment]
    runs = _runs_of(tokens, ways, same[owner_of_part])
    if not len(runs.hashes):
        raise InputError(
            "no item of the benchmarks has enough words to be looked for", remedy="see that `fields` name their texts"
        )
    table = make_table(runs.hashes)
    best = np.zeros(len(tokens.hashes))
    bounds = readonly(tokens.bounds)
    _spread((readonly(runs.number), readonly(runs.length)), readonly(_shares(runs, table, background)), bounds, best)
    single = _short(runs, tokens.bounds)  # nothing but their own bits tells how common they are
    for place in range(int(single.max(initial=0))):
        best[np.flatnonzero(single > place) + place] = 1.0
    weights = _information(tokens, background) * best
    index = _assembled(items, parts, tokens, (runs, weights, table))
    _write(index, [item.benchmark for item in items], folder)


def _assembled(items: Sequence[Item], parts: _Parts, tokens: Tokens, known: tuple[_Runs, Float64s, Table]) -> Index:
    runs, weights, table = known
    bounds = tokens.bounds
    begins = bounds[parts.part]
    ends = np.minimum(bounds[parts.part + 1], begins + MOST_TOKENS)
    owner, token = flat(begins, ends)
    segment = parts.segment[owner]
    count = len(parts.kind)
    sizes = np.bincount(segment, minlength=count)
    first = np.append(0, np.cumsum(sizes))
    place = np.arange(len(segment)) - first[segment]
    sums = np.zeros(len(segment) + count)
    total = np.cumsum(weights[token])
    before = np.append(0.0, total)[first[:-1]]
    sums[np.arange(len(segment)) + segment + 1] = total - before[segment]
    number = runs.number[token]
    some = np.flatnonzero((number >= 0) & (runs.inputs[np.maximum(number, 0)] <= MOST_ITEMS))
    some = some[np.argsort(number[some], kind="stable")]
    last = some + segment[some] + 1
    gains = sums[last] - sums[last - runs.length[token[some]]]
    offsets = np.append(0, np.cumsum(np.bincount(number[some], minlength=len(runs.hashes))))
    bits = np.append(total, 0.0)[first[1:] - 1] - before
    bits = np.where(sizes > 0, bits, 0.0)
    inputs = np.flatnonzero(parts.kind == INPUT)
    input_of_item = np.zeros(len(items), np.int64)
    input_of_item[parts.item[inputs]] = inputs
    mine = input_of_item[parts.item]
    has_options = np.array([bool(item.options) for item in items], np.bool_)
    parts_of = np.bincount(parts.item, minlength=len(items))
    has_context = np.bincount(parts.item[parts.kind == CONTEXT], minlength=len(items)) > 0
    about = (has_options[parts.item], parts_of[parts.item] > 1, has_context[parts.item])
    floor = floors(parts.kind, bits, sizes[mine], about)
    short: Uint8s = np.where(place < sizes[mine][segment], 0, _short(runs, bounds)[token]).astype(np.uint8)
    at = np.flatnonzero(short)
    lone = sums[at + segment[at] + short[at]] - sums[at + segment[at]]
    single: Any = np.bincount(segment[at], lone, count)
    names = {name: place for place, name in enumerate(dict.fromkeys(item.benchmark for item in items))}
    return Index(
        table=table,
        offsets=offsets.astype(np.int32),
        segments=segment[some].astype(np.int32),
        places=place[some].astype(np.int32),
        gains=np.maximum(gains, SMALL).astype(np.float32),
        first=first,
        lengths=runs.length[token],
        words=(tokens.hashes[token] & HALF).astype(np.uint32),
        short=short,
        sums=sums,
        kind=parts.kind,
        item=parts.item,
        window=_windows(parts, sizes),
        floor=floor,
        gate=_gates(floor, parts, bits, single),
        bits=bits,
        own=sizes[mine],
        input=mine.astype(np.int32),
        benchmark=np.array([names[item.benchmark] for item in items], np.int32),
        number=np.array([item.number for item in items], np.int32),
        has_options=has_options,
    )


def _short(runs: _Runs, bounds: Int64s) -> Int64s:
    """By token where a part without any run begins the tokens of that part, else 0."""
    sizes = np.diff(bounds)
    with_runs = np.append(0, np.cumsum(runs.number >= 0))[bounds]
    alone = np.flatnonzero((np.diff(with_runs) == 0) & (sizes > 0) & (sizes < RING))
    found = np.zeros(int(bounds[-1]), np.int64)
    found[bounds[:-1][alone]] = sizes[alone]
    return found


def _gates(floor: Float64s, parts: _Parts, bits: Float64s, single: Float64s) -> Float64s:
    """The least bits that runs must cover, if the rest may be single words; `single`: bits of options without a run."""
    both = parts.kind == INPUT_OUTPUT
    least = np.where(both, np.maximum(floor - single, 0.5 * (bits - single)), floor)
    aligned = np.isin(parts.kind, (INPUT, INPUT_OUTPUT))
    found: Float64s = np.where(aligned, np.maximum(RUNS_SHARE * least, RUNS_BITS), floor)
    return found


def _windows(parts: _Parts, sizes: Int64s) -> Int64s:
    """One sentence stands together; several may be spread, as may options."""
    leading = np.flatnonzero(np.diff(parts.segment, prepend=-1))
    alone = (parts.sentences[parts.part[leading]] == 1) & (parts.kind != INPUT_OUTPUT)
    wide = np.where(parts.kind == INPUT_OUTPUT, 2 * sizes + 24, 4 * sizes + 48)
    found: Int64s = np.where(alone, sizes * 7 // 5 + 6, wide)
    return found


def _write(index: Index, benchmarks: list[str], folder: Path) -> None:
    for name, value in [*index._asdict().items(), *index.table._asdict().items()]:
        if name != "table":
            np.save(folder / f"{name}.npy", value, allow_pickle=False)
    counts = {name: [0, 0] for name in benchmarks}
    for name, sure in zip(benchmarks, identifiable(index).tolist(), strict=True):
        counts[name][0] += 1
        counts[name][1] += sure
    about = {name: {"items": items, "identifiable": good} for name, (items, good) in counts.items()}
    (folder / SUMMARY).write_text("".join(f"{line}\n" for line in _summary(about)), encoding="utf-8")
    (folder / _ABOUT).write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))


def identifiable(index: Index) -> npt.NDArray[np.bool_]:
    """Of each item whether its input alone tells it; see above."""
    inputs = index.kind == INPUT
    sure: npt.NDArray[np.bool_] = (index.own[inputs] >= IDENTIFIABLE_TOKENS) & (index.bits[inputs] >= IDENTIFIABLE_BITS)
    return sure


def _summary(about: dict[str, dict[str, int]]) -> Iterator[str]:
    for name, counts in about.items():
        lost = counts["items"] - counts["identifiable"]
        yield f"{name}: {counts['items']} items, {lost} of them too short or too common to be told by their input alone"


@dataclass(frozen=True)
class Loaded:
    """An index, and of each benchmark by name how many items it has and how many are identifiable."""

    index: Index
    about: dict[str, dict[str, int]]


@loaded_once(_ABOUT)
def load_index(folder: Path) -> Loaded:
    """The index in a folder; its arrays stay in files that processes share."""

    def read(name: str) -> Any:
        return readonly(np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)))

    table = Table(*map(read, Table._fields))
    parts = {name: read(name) for name in Index._fields if name != "table"}
    return Loaded(Index(table=table, **parts), orjson.loads((folder / _ABOUT).read_bytes()))
