"""Which of equal documents stays, and what becomes of the others: for the stages that compare documents by a key.

Equal documents have the same 128-bit key; one stays by a declared rule, never by chance, the others name it. Documents
of earlier runs stay before all of this one.
Costs: 60 bytes a document in the exchange; memory: one batch, however large a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from datapipe.algo.keyed import verdict_of_rows
from datapipe.stage import IndexedConfig, Scratch, measure, schema
from datapipe.text import hash128

__all__ = [
    "ADDS",
    "KEYS",
    "SORT",
    "SurvivorConfig",
    "apply",
    "hash_of_rows",
    "keys_of",
    "ranks",
    "reads_of",
    "resolve",
    "scoped",
    "ties",
]

KEYS = schema(row=pa.uint32(), key=pa.uint64(), low=pa.uint64(), rank=pa.int64(), tie=pa.string(), id=pa.string())
SORT = ("low", "run", "rank", "tie")
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), survivor=pa.string(), copies=pa.int32())
ADDS = schema(survivor=pa.string(), copies=pa.int32())
BEST = "best:"
LAST = np.iinfo(np.int64).max
WHOLE_MONTHS = "0000-01-01"  # what a date that is cut short ends on

Int64s: TypeAlias = npt.NDArray[np.int64]
Uint64s: TypeAlias = npt.NDArray[np.uint64]


class SurvivorConfig(IndexedConfig):
    """Among which documents copies are looked for, and which of them stays."""

    within: tuple[str, ...] = measure(
        (), "columns such as [snapshot]: documents are compared only with those of the same values there"
    )
    survivor: Annotated[str, Field(pattern=r"^(first|longest|newest|oldest|best:[A-Za-z_][\w.]*)$")] = measure(
        "first",
        "which copy stays: the first in the corpus's order, the longest (of most bytes), the newest, the oldest, or "
        "best:COLUMN, that of the greatest number there; ties by id; documents without a time or a number come last",
    )
    dated: Literal["date", "fetched"] = measure("fetched", "column that tells which copy is newer")


def reads_of(config: SurvivorConfig, *own: str) -> tuple[str, ...]:
    """Columns that a stage reads besides its own."""
    rule = config.survivor
    by_time = (config.dated,) if rule in {"newest", "oldest"} else ()
    best = (rule.removeprefix(BEST),) if rule.startswith(BEST) else ()
    return tuple(dict.fromkeys((*own, "id", *config.within, *by_time, *best)))


def microseconds(date: str | None) -> int | None:
    """An ISO 8601 date or time, possibly cut short, in microseconds since 1970; without a zone it is UTC."""
    if date is None:
        return None
    try:
        time = datetime.fromisoformat(date + WHOLE_MONTHS[len(date) : 10] if len(date) in {4, 7} else date)
    except ValueError:
        return None
    return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1_000_000)


def ranks(batch: pa.RecordBatch, config: SurvivorConfig, column: str) -> Int64s:
    """int64; the least of a group survives. `column` is the one whose bytes, or messages, make a document long."""
    if config.survivor == "first":
        return np.zeros(batch.num_rows, np.int64)
    if config.survivor == "longest":
        return -_bytes_of(batch[column])
    if config.survivor.startswith(BEST):
        return _greatest_first(batch[config.survivor.removeprefix(BEST)])
    sign = 1 if config.survivor == "oldest" else -1
    times = map(microseconds, batch[config.dated].to_pylist())
    return np.array([LAST if time is None else sign * time for time in times], np.int64)


def _bytes_of(values: Any) -> Int64s:
    """How long texts are, or the contents of conversations together; 0 for null."""
    if not pa.types.is_large_list(values.type):
        return np.asarray(pc.fill_null(pc.binary_length(values), 0), np.int64)
    counts = np.asarray(pc.fill_null(pc.list_value_length(values), 0), np.int64)
    sizes = np.asarray(pc.fill_null(pc.binary_length(values.flatten().field("content")), 0), np.int64)
    ends = np.concatenate(([0], np.cumsum(sizes)))
    bounds = np.concatenate(([0], np.cumsum(counts)))
    return np.diff(ends[bounds])


def _greatest_first(values: Any) -> Int64s:
    """Whole numbers in the order of the numbers, greatest first; what is none comes last."""
    numbers = -np.asarray(pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False), np.float64) + 0.0
    bits = numbers.view(np.int64)
    ordered: Int64s = bits ^ ((bits >> np.int64(63)) & np.int64(LAST))  # IEEE 754 as sign and size
    ordered[np.isnan(numbers)] = LAST
    return ordered


def ties(batch: pa.RecordBatch, config: SurvivorConfig) -> pa.Array[Any]:
    """What decides between documents of one rank: the id, or nothing where the first stays."""
    return pa.array([""] * batch.num_rows, pa.string()) if config.survivor == "first" else batch["id"]


def scoped(halves: tuple[Uint64s, Uint64s], scopes: pa.RecordBatch) -> tuple[Uint64s, Uint64s]:
    """128-bit hashes, with the scope in which documents are compared: the values of all columns of `scopes`."""
    if not scopes.num_columns:
        return halves
    others = [half for values in scopes.columns for half in hash128(values.cast(pa.string()))]
    return hash_of_rows(np.stack([*halves, *others], axis=1))


def hash_of_rows(numbers: Uint64s) -> tuple[Uint64s, Uint64s]:
    """A 128-bit hash of each row of an array of two dimensions."""
    offsets = np.arange(len(numbers) + 1, dtype=np.int64) * numbers.shape[1] * numbers.itemsize
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(numbers.tobytes())]
    return hash128(pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(numbers), buffers))


def keys_of(
    batch: pa.RecordBatch, config: SurvivorConfig, column: str, halves: tuple[Uint64s, Uint64s]
) -> pa.RecordBatch:
    """The keys of all documents of a batch, with what ranks them."""
    high, low = scoped(halves, batch.select(list(config.within)))
    keys: list[pa.Array[Any]] = [
        pa.array(np.arange(batch.num_rows, dtype=np.uint32)),
        pa.array(high),
        pa.array(low),
        pa.array(ranks(batch, config, column)),
        ties(batch, config),
        batch["id"],
    ]
    return pa.RecordBatch.from_arrays(keys, schema=KEYS)


# ---------------------------------------------------------------------------------------------- verdicts


def _firsts(rows: pa.RecordBatch) -> Int64s:
    """Where each group of equal hashes begins in a sorted batch."""
    key, low = rows["key"].to_numpy(), rows["low"].to_numpy()
    changes = (key[1:] != key[:-1]) | (low[1:] != low[:-1])
    return np.concatenate(([0], np.flatnonzero(changes) + 1))


def _survivors(rows: pa.RecordBatch, firsts: Int64s, sizes: Int64s, own: int) -> pa.RecordBatch:
    """The verdicts on the first of each group of more than one: who it is, and how many."""
    told = np.flatnonzero((sizes > 1) & (rows["run"].to_numpy()[firsts] == own))
    first = rows.take(firsts[told])
    nobody = pa.nulls(first.num_rows, pa.string())
    copies = pa.array(sizes[told].astype(np.int32))
    return pa.RecordBatch.from_arrays([first["shard"], first["row"], nobody, copies], schema=VERDICTS)


def _dropped(rows: pa.RecordBatch, firsts: Int64s, own: int) -> pa.RecordBatch:
    """The verdicts on all others: whom they are copies of."""
    is_other = rows["run"].to_numpy() == own
    is_other[firsts] = False
    others = np.flatnonzero(is_other)
    heads = firsts[np.searchsorted(firsts, others, side="right") - 1]
    other = rows.take(others)
    unknown = pa.nulls(len(others), pa.int32())
    survivor = rows["id"].take(heads)
    return pa.RecordBatch.from_arrays([other["shard"], other["row"], survivor, unknown], schema=VERDICTS)


def resolve(stream: Iterator[pa.RecordBatch], config: SurvivorConfig, _scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """Verdicts on every document of this run that has copies.

    A group may reach over any number of batches: its first row is carried into the next one, with how many of its
    copies went by (`gone`).
    """
    own = len(config.against)
    carried: pa.RecordBatch | None = None
    gone = 0
    for batch in stream:
        if batch.num_rows == 0:
            continue
        rows = pa.concat_batches([carried, batch]) if carried is not None else batch  # type: ignore[attr-defined]
        firsts = _firsts(rows)
        sizes = np.diff(np.append(firsts, rows.num_rows))
        sizes[0] += gone
        yield _dropped(rows, firsts, own)
        yield _survivors(rows, firsts[:-1], sizes[:-1], own)  # the last group may go on
        carried, gone = rows.take(firsts[-1:]), int(sizes[-1]) - 1
    if carried is not None:
        yield _survivors(carried, np.zeros(1, np.int64), np.array([gone + 1]), own)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, _config: SurvivorConfig) -> pa.RecordBatch:
    """Id of the surviving copy (null: this one), and for survivors how many copies there are (1: unique)."""
    if verdicts.num_rows == 0:  # then it may have no columns either
        verdicts = pa.RecordBatch.from_pylist([], VERDICTS)
    at = verdict_of_rows(batch["row"], verdicts)
    copies = pc.if_else(at.is_valid(), verdicts["copies"].take(at), pa.scalar(1, pa.int32()))
    return pa.RecordBatch.from_arrays([verdicts["survivor"].take(at), copies], schema=ADDS)
