"""Say how often each document is taken and where it stands: a mixture of sources.

What: each source is given `epochs` (2.5: two passes and a half) or a `weight` in the whole; `temperature` levels
sources of unlike size, `max_epochs` caps repetition and hands what is over to the others. Several `parts` follow each
other, such as web with conversations, then a domain. Every copy of a document gets a position, drawn by hash or in the
order of a column (a curriculum); `pack` puts them in sequences in that order, and no text is copied.
Why: shares that are planned by tokens must come out by tokens; a half epoch must be the same half tomorrow; what one
source is given must change no choice in another. Weights are met by rounding to the nearest document.
Costs: one pass over the counts for the totals, 0.8 million documents/s a core, and one for the positions, as fast (0.5
million with 1,000 sources).
Source: temperature as in Conneau et al. 2019 (XLM-R), caps as in Chung et al. 2023 (UniMax).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from datapipe.algo.chance import chances
from datapipe.algo.inputs import nearest_name
from datapipe.algo.shares import Wish, passes
from datapipe.errors import InputError
from datapipe.schema import COLUMNS, POSITION
from datapipe.stage import Map, Prepare, StageConfig, below, columns, first_of, measure, schema
from datapipe.text.jit import Float64s, Int64s, Uint64s

NOT_NAMED = "not_named"
NOT_TAKEN = "not_taken"
SHIFT = np.uint64(52)  # leaves the bucket of a hash
BUCKETS = 4096
SAMPLE = 20_000  # documents from which the quantiles of a curriculum's column are told
BOTH = ("tokens", "trained")  # what is planned is told in these, whatever the unit
UNITS = {"tokens": "token_count", "trained": "trained_count", "rows": None}


MOST_PASSES = 1000  # over a source in a part: a batch holds a position for each
Passes = Annotated[float, Field(ge=0, le=MOST_PASSES, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]  # to the power of 10 it is a float still


class Portion(BaseModel):
    """What a source is given in a part of the mixture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Passes | None = Field(None, description="passes over the source; 0.5 is a half of it")
    weight: Weight | Literal["size"] | None = Field(
        None, description="share of the part, against the other weights; size: as much as the source has"
    )
    max_epochs: Passes | None = Field(None, description="no more passes than this; the others get what is over", gt=0)

    @model_validator(mode="after")
    def _one_of_two(self) -> Portion:
        if (self.epochs is None) == (self.weight is None):
            raise ValueError("give either `epochs` or `weight`")
        return self


Part = dict[str, Portion]


class Config(StageConfig):
    """The sources, what they are given, and in what order."""

    sources: Part = measure({}, "by source: {epochs: 2.5} or {weight: 3}; none given: every source once")
    parts: tuple[Part, ...] = measure((), "mixtures that follow each other, each as `sources`, instead of one")
    unit: Literal["tokens", "trained", "rows"] = measure("tokens", "what weights, budgets and the order count")
    total: int | None = measure(
        None,
        "what sources with a weight bring to each part, in units; none given: as much as they have without repetition",
        gt=0,
        le=10**15,
    )
    temperature: float = measure(
        1.0, "weights are raised to 1 / temperature, so that above 1 they grow alike", ge=0.1, allow_inf_nan=False
    )
    by: str = measure("source", "column that names a document's source")
    order: str | None = measure(None, "column of numbers in whose order documents stand; none given: by hash")
    descending: bool = measure(False, "the greatest value of `order` first")
    seed: int | None = measure(None, "of all choices; the recipe's if none is given")

    @model_validator(mode="after")
    def _one_form(self) -> Config:
        if self.sources and self.parts:
            raise ValueError("give `sources` or `parts`, not both")
        return self

    @property
    def all_parts(self) -> tuple[Part, ...]:
        """The parts in order."""
        return self.parts or (self.sources,)


def _reads(config: Config) -> tuple[str, ...]:
    order = () if config.order is None else (config.order,)
    return tuple(dict.fromkeys(("id", config.by, "token_count", "trained_count", *order)))


# ---------------------------------------------------------------------------------------------- the totals

TOTALS = schema(
    source=pa.string(),
    bucket=pa.int32(),  # of the hash by which documents are chosen; -1 for a row of the sample
    amount=pa.int64(),  # in the mixture's unit
    tokens=pa.int64(),
    trained=pa.int64(),  # of the tokens, those that carry loss
    chance=pa.uint64(),  # of a document of the sample
    value=pa.float64(),  # by which documents are ordered
)
SUMMED = ("amount", *BOTH)


def _amounts(batch: pa.RecordBatch, unit: str) -> Int64s:
    """What each document counts in a unit."""
    name = UNITS[unit]
    if name is None:
        return np.ones(len(batch), np.int64)
    counts: Any = batch[name]
    amounts: Int64s = counts.fill_null(0).cast(pa.int64()).to_numpy()
    return amounts


def _names(batch: pa.RecordBatch, config: Config) -> Any:
    names: Any = batch[config.by]
    return names.cast(pa.string()).fill_null("")


def _values(batch: pa.RecordBatch, config: Config) -> Float64s:
    """What orders each document, ascending; NaN without a value."""
    column: Any = batch[config.order or ""]
    values: Float64s = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return -values if config.descending else values


def sketch(batch: pa.RecordBatch, config: Config) -> pa.Table:
    """What each source has, by hash, and a sample of the values that order documents."""
    amounts = {"amount": _amounts(batch, config.unit), **{unit: _amounts(batch, unit) for unit in BOTH}}
    chance = chances(batch["id"], config.seed or 0, "mix")
    buckets: Any = pa.array((chance >> SHIFT).astype(np.int32))
    parts = [_table({"source": _names(batch, config), "bucket": buckets, **amounts})]
    if config.order is not None and len(batch):
        values = _values(batch, config)
        known = np.flatnonzero(~np.isnan(values))
        nowhere = np.full(len(known), -1, np.int32)
        sample = {"bucket": nowhere, "amount": amounts["amount"][known], "chance": chance[known]}
        parts.append(_table({**sample, "value": values[known]}))
    return merge(parts)


def _table(told: dict[str, Any]) -> pa.Table:
    """Rows of `TOTALS`; nulls in columns of which nothing is told."""
    count = len(told["bucket"])
    return pa.table([told.get(each.name, pa.nulls(count, each.type)) for each in TOTALS], schema=TOTALS)


def merge(tables: Sequence[pa.Table]) -> pa.Table:
    """Sums by source and bucket; of the samples, the documents with the least hashes."""
    whole = pa.concat_tables(tables) if tables else TOTALS.empty_table()
    is_sample = _is_sample(whole)
    counted: Any = (
        whole.filter(pc.invert(is_sample)).group_by(["source", "bucket"]).aggregate([(name, "sum") for name in SUMMED])
    )
    counted = counted.sort_by([("source", "ascending"), ("bucket", "ascending")])
    summed = {name: counted[f"{name}_sum"] for name in SUMMED}
    sums = _table({"source": counted["source"], "bucket": counted["bucket"], **summed})
    order: Any = [(name, "ascending") for name in ("chance", "value", "amount")]
    sample = whole.filter(is_sample).sort_by(order).slice(0, SAMPLE)
    return pa.concat_tables([sums, sample])


def _is_sample(table: pa.Table) -> Any:
    buckets: Any = table["bucket"]
    return pc.equal(buckets, pa.scalar(-1, pa.int32()))


def build(table: pa.Table, config: Config, folder: Path) -> None:
    """`mixture.json`: what each source is planned to bring, and between which hashes its documents are taken."""
    rows = table.filter(pc.invert(_is_sample(table)))
    names: list[Any] = rows["source"].to_pylist()
    buckets = rows["bucket"].to_numpy()
    amounts = {name: np.zeros(BUCKETS, np.int64) for name in sorted(set(names))}
    for name, bucket, amount in zip(names, buckets, rows["amount"].to_pylist(), strict=True):
        amounts[name][bucket] += amount
    sizes = {name: int(each.sum()) for name, each in amounts.items()}
    done = dict.fromkeys(sizes, 0.0)  # passes over each source so far
    parts = []
    for part in config.all_parts:
        given = passes(sizes, _wishes(part, sizes, config), config.total, config.temperature)
        _check(part, sizes, given)
        made = {}
        for name in sorted(given.keys() & sizes.keys()):
            start, end = done[name], done[name] + given[name]
            made[name] = {
                "epochs": given[name],
                "planned": given[name] * sizes[name],
                "passes": [start, end],
                "from": _place(start, amounts[name]),
                "to": _place(end, amounts[name]),
            }
            done[name] = end
        parts.append(made)
    held: Any = rows.group_by("source").aggregate([(name, "sum") for name in BOTH])
    of: list[Any] = held["source"].to_pylist()
    both = {name: dict(zip(of, held[f"{name}_sum"].to_pylist(), strict=True)) for name in BOTH}
    plan = {
        "by": config.by,
        "unit": config.unit,
        "sizes": sizes,
        **both,
        "parts": parts,
        "order": _quantiles(table),
    }
    folder.joinpath("mixture.json").write_text(json.dumps(plan, indent=1, ensure_ascii=False), encoding="utf-8")


def _check(part: Part, sizes: dict[str, int], given: dict[str, float]) -> None:
    """Raise InputError where a source is not there, or given too often; without any document nothing can be told."""
    missing = [name for name, each in part.items() if name not in sizes and each.epochs != 0]
    if missing and sizes:
        near = nearest_name(missing[0], sizes)
        raise InputError(
            f"the mixture names {missing[0]!r}, and no document is of that source",
            remedy=f"correct it (near is {near!r})" if near else "take it out, or give it {epochs: 0}",
        )
    most = max(given, key=lambda name: given[name], default="")
    if most and given[most] > MOST_PASSES:
        raise InputError(
            f"the mixture passes {given[most]:,.0f} times over {most!r}, more than {MOST_PASSES:,}",
            remedy="give less `total` or weight, or cap it by `max_epochs`",
        )


def _wishes(part: Part, sizes: dict[str, int], config: Config) -> dict[str, Wish]:
    if not part:
        return dict.fromkeys(sizes, Wish(epochs=1.0) if config.temperature == 1 and config.total is None else Wish())
    return {
        name: Wish(each.epochs, each.weight if isinstance(each.weight, float) else None, each.max_epochs)
        for name, each in part.items()
    }


def _place(passed: float, amounts: Int64s) -> tuple[int, int]:
    """Whole passes, and the hash below which documents stand in the broken one; see `_places`."""
    whole = int(passed)
    wanted = (passed - whole) * int(amounts.sum())
    ends = np.cumsum(amounts)
    bucket = int(np.searchsorted(ends, wanted, side="left")) if wanted > 0 else 0
    before = int(ends[bucket - 1]) if bucket else 0
    inside = (wanted - before) / max(1, int(amounts[bucket])) if wanted > 0 else 0.0
    return whole, min(int((bucket + inside) * 2**52), 2**64 - 1)


def _quantiles(table: pa.Table) -> list[list[float]]:
    """Values in order, and the share of the corpus up to each."""
    sample = table.filter(_is_sample(table)).sort_by("value")
    if not len(sample):
        return []
    ends = np.cumsum(sample["amount"].to_numpy())
    return [sample["value"].to_pylist(), (ends / max(1, ends[-1])).tolist()]


# ---------------------------------------------------------------------------------------------- positions


class _Plan(NamedTuple):
    """The resource, as arrays."""

    parts: list[dict[str, Any]]
    named: Any  # sources, of any part
    bounds: list[int]  # where each part begins, of 2**64
    values: Float64s
    shares: Float64s


@lru_cache(maxsize=4)
def _plan(path: Path, modified: int) -> _Plan:
    told = json.loads(path.read_text(encoding="utf-8"))
    planned = [sum(each["planned"] for each in part.values()) for part in told["parts"]]
    ends = np.cumsum([0.0, *planned]) / max(1.0, sum(planned))
    values, shares = told["order"] or ([], [])
    bounds = [min(int(end * 2**64), 2**64 - 1) for end in ends]
    named = pa.array(sorted({name for part in told["parts"] for name in part}), pa.string())
    return _Plan(told["parts"], named, bounds, np.array(values), np.array([0.0, *shares]))


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """How often each document is taken (int32), and where its copies stand."""
    assert resource is not None
    path = resource / "mixture.json"
    plan = _plan(path, path.stat().st_mtime_ns)
    made = list(_places(batch, config, plan))
    row = np.concatenate([each for each, _ in made])
    position = np.concatenate([each for _, each in made])
    part = np.repeat(np.arange(len(made), dtype=np.int32), [len(each) for each, _ in made])
    order = np.lexsort((position, row))
    counts = np.bincount(row, minlength=len(batch))
    bounds: Any = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    places = pa.StructArray.from_arrays([pa.array(part[order]), pa.array(position[order])], fields=list(POSITION))
    positions = pa.ListArray.from_arrays(bounds, places)
    is_named: Any = pc.is_in(_names(batch, config), plan.named)
    return columns(positions=positions, copies=counts.astype(np.int32), named=is_named)


class _Copies(NamedTuple):
    """Copies that a part takes of documents: of which, in which pass, and from where to where it passes over them."""

    row: Int64s
    nth: Int64s
    start: Float64s
    end: Float64s


NOTHING = {"from": (0, 0), "to": (0, 0), "passes": (0.0, 0.0)}


def _places(batch: pa.RecordBatch, config: Config, plan: _Plan) -> Iterator[tuple[Int64s, Uint64s]]:
    """Of each copy that a part takes the document and the position; a part after the other.

    Passes over a source follow each other through the parts. In pass k a document stands at k + q, q its place by
    hash; a part takes what stands between its start and its end, so half a pass is taken up where the last one ended.
    """
    chance = chances(batch["id"], config.seed or 0, "mix")
    sources = _names(batch, config).dictionary_encode()
    names, of = sources.dictionary.to_pylist(), sources.indices.to_numpy()
    for number, part in enumerate(plan.parts):
        given = [part.get(name, NOTHING) for name in names]
        first, last = (_standing(chance, [each[bound] for each in given], of) for bound in ("from", "to"))
        counts = last - first
        row = np.repeat(np.arange(len(batch)), counts)
        nth = first[row] + np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
        start, end = np.array([each["passes"] for each in given], np.float64).reshape(-1, 2).T
        low, high = plan.bounds[number], plan.bounds[number + 1]
        share = _share(batch, config, plan, _Copies(row, nth, start[of][row], end[of][row]))
        within = np.minimum((share * float(high - low)).astype(np.uint64), np.uint64(max(0, high - low - 1)))
        yield row, np.uint64(low) + within


def _standing(chance: Uint64s, bounds: list[tuple[int, int]], of: Any) -> Int64s:
    """Passes in which each document stands before the bound of its source: whole ones, and a part of the next."""
    whole = np.array([each[0] for each in bounds], np.int64)
    limit = np.array([each[1] for each in bounds], np.uint64)
    passed: Int64s = whole[of] + (chance < limit[of])
    return passed


def _share(batch: pa.RecordBatch, config: Config, plan: _Plan, copies: _Copies) -> Float64s:
    """Where in its part each copy stands, of 1: drawn within its pass, or by the value that orders documents."""
    row, nth, start, end = copies
    drawn = np.empty(len(row))
    for each in np.unique(nth):
        mine = nth == each
        drawn[mine] = chances(batch["id"], config.seed or 0, "position", int(each))[row[mine]] / 2.0**64
    if config.order is None:
        low, high = np.maximum(nth, start), np.minimum(nth + 1, end)
        within = (low + drawn * (high - low) - start) / np.maximum(end - start, 1e-300)
    else:
        values = _values(batch, config)[row]
        last = len(plan.values)
        low = plan.shares[np.maximum(np.searchsorted(plan.values, values, side="left") - 1, 0)]
        high = plan.shares[np.minimum(np.searchsorted(plan.values, values, side="right") + 1, last)]
        within = low + drawn * (high - low)
    within[~(within < 1)] = np.nextafter(1, 0)
    share: Float64s = within
    return share


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """A document of which no copy is taken leaves."""
    named: Any = measured["named"]
    unnamed = ~pc.fill_null(named, True).to_numpy(zero_copy_only=False)
    return first_of((unnamed, NOT_NAMED), (below(measured["copies"], 1), NOT_TAKEN))


STAGE = Map(
    name="mix",
    version=2,
    config=Config,
    reads=_reads,
    adds=schema(positions=COLUMNS["positions"], copies=pa.int32(), named=pa.bool_()),
    reasons={
        NOT_NAMED: "the mixture names no such source",
        NOT_TAKEN: "it is beyond the share of its source that the mixture takes",
    },
    process=process,
    decide=decide_reasons,
    prepare=Prepare(build=build, sketch=sketch, merge=merge, reads=_reads),
)
