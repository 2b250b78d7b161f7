"""Tokens of documents as sequences for trainers: gathered piece by piece, joined in order, and counted by source.

What: `pieces` gives a row for each piece of a packed document, or one for each copy of a document that no packing
placed, which is a sequence by itself; `Sequences` are what a file's rows make, in order; `Ledger` says what they hold.
Why: every sink that writes tokens gathers the same rows and keeps the same books, whatever its files look like.
Costs: the tokens and 4 bytes of weight for each in the exchange; memory: a batch of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.chance import chances
from datapipe.errors import InputError, StageError
from datapipe.schema import COLUMNS
from datapipe.stage import SinkConfig, Size, Written, columns, measure, schema
from datapipe.text.jit import Int32s, Int64s, Uint64s

__all__ = [
    "COUNTS",
    "INDEX",
    "NO_LOSS",
    "SORT",
    "Ledger",
    "Sequences",
    "TokenSinkConfig",
    "copies",
    "count_files",
    "pieces",
    "readable",
    "totals",
]

READS = ("id", "source", "tokens", "loss", "positions", "segments")
SORT = ("offset",)
NO_LOSS = -100
INDEX = schema(
    sequence=pa.int64(),  # number in the file
    offset=pa.int32(),  # its first token in the sequence
    id=pa.string(),
    source=pa.string(),
    start=pa.int32(),  # tokens [start, end) of the document
    end=pa.int32(),
)
# Of `weighted` tokens the weight of loss is neither 0 nor 1; `trained` ones are labels of their sequence.
COUNTS = ("documents", "pieces", "tokens", "trained", "weighted", "cut")


class TokenSinkConfig(SinkConfig):
    """What every sink of tokens can be told: how large files are."""

    by: None = measure(None, "not here: sequences hold documents of many values; mix and pack parts by themselves")
    file_tokens: Size = measure(1 << 28, "tokens of one file, about; there are at most 4,096 files", gt=0)
    files_of: int = measure(1, "the number of files is a multiple of this, such as the number of ranks", gt=0)


def count_files(tokens: int, config: TokenSinkConfig) -> int:
    """How many files so many tokens fill."""
    needed = -(-tokens // config.file_tokens)
    return max(1, -(-needed // config.files_of)) * config.files_of


def readable(available: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that `pieces` reads, of those there are; asks for tokens where there are none."""
    return tuple(name for name in READS if name in available or name in {"id", "tokens"})


# ---------------------------------------------------------------------------------------------- pieces


class _Places(NamedTuple):
    """Tokens [start, end) of the document in a row of the batch, and their place in a sequence."""

    row: Int64s
    sequence: Uint64s
    offset: Int64s
    start: Int64s
    end: Int64s


def pieces(batch: pa.RecordBatch, *, weights: bool = True) -> pa.RecordBatch:
    """A row for each piece: its sequence, place, tokens and weights of loss, and what is cut off its document.

    `weights`: other weights than 0 and 1 can be held; else they are refused with an InputError. A document without
    `segments` is a sequence by itself, once for each of its `positions`, or where its id puts it.
    """
    tokens: Any = batch["tokens"]
    offsets = tokens.offsets.to_numpy()
    places = _places(batch, _lengths(tokens))
    row, length = places.row, places.end - places.start
    at = _stretches(offsets[:-1][row] + places.start, length)
    bounds: Any = np.concatenate(([0], np.cumsum(length)))
    weight = _weights(batch)
    if not weights and not np.isin(weight, (0, 1)).all():
        raise InputError("a token has a loss weight other than 0 and 1", remedy="set `loss_weights: true` to write it")
    taken: Any = pa.array(row)
    return columns(
        row=row.astype(np.uint32),
        key=places.sequence,
        weight=length,
        offset=places.offset.astype(np.int32),
        start=places.start.astype(np.int32),
        end=places.end.astype(np.int32),
        id=batch["id"].take(taken),
        source=_column(batch, "source").take(taken),
        cut=_cut(tokens, places),
        tokens=pa.LargeListArray.from_arrays(bounds, tokens.values.take(pa.array(at))),
        weights=pa.LargeListArray.from_arrays(bounds, pa.array(weight[at - offsets[0]])),
    )


def _places(batch: pa.RecordBatch, lengths: Int64s) -> _Places:
    """Of packed documents each piece, of others each copy; by row."""
    packed = _column(batch, "segments")
    alone = np.asarray(packed.is_null()) & (lengths > 0)
    row, key, _ = copies(_column(batch, "positions"), chances(batch["id"], 0, "sequence"))
    row, key = row[alone[row]], key[alone[row]]
    zeros = np.zeros(len(row), np.int64)
    whole = _Places(row, key, zeros, zeros, lengths[row])
    if packed.null_count == len(batch):
        return whole
    flat = packed.flatten()
    fields = {name: flat.field(name).to_numpy() for name in ("sequence", "offset", "start", "end")}
    rows = np.repeat(np.arange(len(batch)), _lengths(packed))
    placed = _Places(rows, fields.pop("sequence"), *(each.astype(np.int64) for each in fields.values()))
    order = np.argsort(np.concatenate((placed.row, whole.row)), kind="stable")
    return _Places(*(np.concatenate(pair)[order] for pair in zip(placed, whole, strict=True)))


def copies(positions: Any, free: Uint64s) -> tuple[Int64s, Uint64s, Int32s]:
    """Of each copy the document, the position in the order of all, and the part of the mixture that it is in.

    `free`: the position of each document that no mixture placed; it has one copy, of part 0.
    """
    unplaced = np.asarray(positions.is_null())
    row = np.repeat(np.arange(len(positions)), np.where(unplaced, 1, _lengths(positions)))
    key, part = free[row], np.zeros(len(row), np.int32)
    if positions.null_count < len(positions):
        placed = positions.flatten()
        key[~unplaced[row]] = placed.field("position").to_numpy()
        part[~unplaced[row]] = placed.field("part").to_numpy()
    return row, key, part


def _column(batch: pa.RecordBatch, name: str) -> Any:
    """A column, or nulls where there is none."""
    kind: Any = COLUMNS[name]
    return batch[name] if name in batch.schema.names else pa.nulls(len(batch), kind)


def _lengths(lists: Any) -> Any:
    """Values in each list; none in null."""
    lengths: Any = pc.list_value_length(lists)
    return lengths.fill_null(0).to_numpy().astype(np.int64)


def _stretches(first: Int64s, lengths: Int64s) -> Int64s:
    """The positions first, first + 1, … of each stretch, one after the other."""
    before = np.cumsum(lengths) - lengths
    at: Int64s = np.arange(int(lengths.sum())) + np.repeat(first - before, lengths)
    return at


def _cut(tokens: Any, places: _Places) -> Int64s:
    """Tokens of each document that are in no piece, over all its copies; told of its first piece."""
    row, start, end = places.row, places.start, places.end
    lengths = np.diff(tokens.offsets.to_numpy())
    cut = np.bincount(row, lengths[row] * (start == 0) - (end - start), len(tokens)).astype(np.int64)
    return np.where(np.diff(row, prepend=-1) > 0, cut[row], 0)


def _weights(batch: pa.RecordBatch) -> Any:
    """The weight of each token of a batch (float32)."""
    tokens: Any = batch["tokens"]
    offsets = tokens.offsets.to_numpy()
    offsets = offsets - offsets[0]
    weights = np.ones(int(offsets[-1]), np.float32)
    if "loss" not in batch.schema.names or batch["loss"].null_count == len(batch):
        return weights
    loss: Any = batch["loss"]
    weights[np.repeat(np.asarray(loss.is_valid()), np.diff(offsets))] = 0
    row = np.repeat(np.arange(len(batch)), _lengths(loss))
    spans = loss.flatten()
    start, end = (spans.field(name).to_numpy().astype(np.int64) for name in ("start", "end"))
    weights[_stretches(offsets[row] + start, end - start)] = np.repeat(spans.field("weight").to_numpy(), end - start)
    return weights


# ---------------------------------------------------------------------------------------------- sequences


class Sequences(NamedTuple):
    """Whole sequences of a file, in order, and the pieces that they are made of."""

    rows: pa.RecordBatch  # a piece each
    firsts: Int64s  # the first piece of each sequence, and the number of all
    bounds: Int64s  # the first token of each piece, and the number of all
    tokens: Int32s
    weights: npt.NDArray[np.float32]  # of loss, as the documents have them
    carries: npt.NDArray[np.bool_]  # loss; never the first token of a piece, which nothing before it predicts

    @classmethod
    def of(cls, stream: Iterator[pa.RecordBatch]) -> Iterator[Sequences]:
        """All of a file's rows, a batch of sequences at a time."""
        return (cls._joined(rows) for rows in _whole(stream))

    @classmethod
    def _joined(cls, rows: pa.RecordBatch) -> Sequences:
        lengths = rows["end"].to_numpy().astype(np.int64) - rows["start"].to_numpy()
        bounds: Int64s = np.concatenate(([0], np.cumsum(lengths)))
        firsts = np.append(np.flatnonzero(_begins(rows)), len(rows))
        offsets = bounds[:-1] - np.repeat(bounds[firsts[:-1]], np.diff(firsts))
        if not np.array_equal(offsets, rows["offset"].to_numpy()):
            raise StageError("pieces of a sequence do not follow each other", remedy="run the stage `pack` again")
        tokens, weights = (_flat(rows, name).to_numpy() for name in ("tokens", "weights"))
        carries = weights != 0
        carries[bounds[:-1]] = False
        return cls(rows, firsts, bounds, tokens, weights, carries)

    def __len__(self) -> int:
        return len(self.firsts) - 1

    @property
    def lengths(self) -> Int64s:
        """Tokens of each piece."""
        return np.diff(self.bounds)

    @property
    def starts(self) -> Int64s:
        """The first token of each sequence, and the number of all."""
        return self.bounds[self.firsts]

    @property
    def labels(self) -> Int32s:
        """The token where it carries loss, else NO_LOSS."""
        return np.where(self.carries, self.tokens, np.int32(NO_LOSS))

    @property
    def loss_weights(self) -> npt.NDArray[np.float32]:
        """The weight of each token's loss; 0 where it carries none."""
        return np.where(self.carries, self.weights, np.float32(0))


def _begins(rows: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    """Which pieces begin a sequence."""
    keys = rows["key"].to_numpy()
    begins: npt.NDArray[np.bool_] = np.append(True, keys[1:] != keys[:-1]) | (rows["offset"].to_numpy() == 0)
    return begins


def _whole(stream: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows, never a sequence in two batches."""
    held: list[pa.RecordBatch] = []
    for batch in stream:
        if not len(batch):
            continue
        keys = batch["key"].to_numpy()
        last = int(np.searchsorted(keys, keys[-1]))
        if held and (last or held[-1]["key"][-1].as_py() != keys[-1]):
            yield _concatenated([*held, batch.slice(0, last)])
            held = []
        elif last:
            yield batch.slice(0, last)
        held.append(batch.slice(last))
    if held:
        yield _concatenated(held)


def _concatenated(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    whole: pa.RecordBatch = pa.concat_batches(parts)  # type: ignore[attr-defined]
    return whole


def _flat(rows: pa.RecordBatch, name: str) -> Any:
    lists: Any = rows[name]
    return lists.flatten()


# ---------------------------------------------------------------------------------------------- the books


class Ledger:
    """What a file holds, by source, and where each piece stands."""

    def __init__(self) -> None:
        self.sequences = self.longest = 0
        self._counts: dict[str, Counter[str]] = {}
        self._index: list[pa.RecordBatch] = []

    def add(self, made: Sequences) -> None:
        """Count some sequences."""
        rows, lengths = made.rows, made.lengths
        number = np.repeat(np.arange(len(made)), np.diff(made.firsts))
        arrays = [pa.array(number + self.sequences), *(rows[name] for name in INDEX.names[1:])]
        self._index.append(pa.RecordBatch.from_arrays(arrays, schema=INDEX))
        self.longest = max(self.longest, int(np.diff(made.starts).max()))
        self.sequences += len(made)
        odd = np.flatnonzero(made.carries & (made.weights != 1))  # hardly ever any
        values = (
            rows["start"].to_numpy() == 0,
            np.ones(len(rows), np.int64),
            lengths,
            np.add.reduceat(made.carries, made.bounds[:-1], dtype=np.int64),
            np.bincount(np.searchsorted(made.bounds, odd, "right") - 1, minlength=len(rows)),
            rows["cut"].to_numpy(),
        )
        sources: Any = rows["source"]
        coded = sources.fill_null("").dictionary_encode()
        for at, source in enumerate(coded.dictionary.to_pylist()):
            mine = coded.indices.to_numpy() == at
            told = {name: int(value[mine].sum()) for name, value in zip(COUNTS, values, strict=True)}
            self._counts.setdefault(source, Counter()).update(told)

    def written(self, *, beside: dict[str, bytes] | None = None, **facts: Any) -> Written:
        """The facts, with those given, the index, and what else is to stand beside the file."""
        sources = {source: {name: counts[name] for name in COUNTS} for source, counts in sorted(self._counts.items())}
        known = {"sequences": self.sequences, "longest": self.longest, "sources": sources}
        return Written({**known, **facts}, pa.Table.from_batches(self._index, INDEX), beside or {})


def totals(written: dict[str, dict[str, Any]], length: int | None = None) -> dict[str, Any]:
    """Of all files: tokens in = written + cut, by source; and padding apart, where sequences are padded to `length`."""
    sources: dict[str, Counter[str]] = {}
    for facts in written.values():
        for source, counts in facts["sources"].items():
            sources.setdefault(source, Counter()).update(counts)
    sequences = sum(facts["sequences"] for facts in written.values())
    length = length or max(facts["longest"] for facts in written.values())
    total = sum((counts for counts in sources.values()), Counter[str]())
    return {
        "length": length,
        "sequences": sequences,
        **{name: total[name] for name in COUNTS},
        "padding": sequences * length - total["tokens"],
        "sources": {source: {name: counts[name] for name in COUNTS} for source, counts in sorted(sources.items())},
        "files": [{"name": name, "sequences": facts["sequences"]} for name, facts in written.items()],
    }
