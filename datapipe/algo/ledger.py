"""The books of tokens written for trainers: by source what came, what is written, and what was lost between.

What: `Ledger` counts a file, and keeps where each of its pieces stands; `totals` adds the files up, and tells with them
what `pack` saw come in (`packing.json` of its resource) and what `mix` had planned (its `mixture.json`). Counted are
tokens as they come out of `tokenize`; what it cuts off conversations before stands in its own column `cut_tokens`.
Why: who trains on shares by tokens wants to see that they came out, and where the others are.
Costs: some 60 bytes of memory a piece of a file, for its index.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.sequences import Sequences
from datapipe.errors import StageError
from datapipe.stage import Written, schema

__all__ = ["COUNTS", "INDEX", "MIXTURE", "PACKING", "Ledger", "totals"]

MIXTURE, PACKING = "mixture.json", "packing.json"
INDEX = schema(
    sequence=pa.int64(),  # number in the file
    offset=pa.int32(),  # its first token in the sequence
    id=pa.string(),
    source=pa.string(),
    start=pa.int32(),  # tokens [start, end) of the document
    end=pa.int32(),
)
# A document is counted once, however many copies of it there are; a cut one is a copy where its beginning is.
# Of `weighted` tokens the weight of loss is neither 0 nor 1; `trained` ones are labels of their sequence.
COUNTS = ("documents", "copies", "pieces", "tokens", "trained", "weighted", "cut")


class Ledger:
    """What a file holds, by source, and where each piece stands."""

    def __init__(self) -> None:
        self.sequences = self.longest = 0
        self.packed = True  # all by a packing
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
        self.packed &= bool(np.all(rows["packed"]))
        odd = np.flatnonzero(made.carries & (made.weights != 1))  # hardly ever any
        values = (
            rows["first"].to_numpy(zero_copy_only=False),
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
        known = {"sequences": self.sequences, "longest": self.longest, "packed": self.packed, "sources": sources}
        return Written({**known, **facts}, pa.Table.from_batches(self._index, INDEX), beside or {})


def totals(
    written: dict[str, dict[str, Any]], resources: dict[str, Path] | None = None, length: int | None = None
) -> dict[str, Any]:
    """Of all files, by source: tokens in = written (`tokens`) + cut + dropped; and padding apart, to `length`.

    What came in and what was dropped are known where all came through one `pack`, and a plan behind one `mix`. Raises
    StageError where more is written than came in.
    """
    sources: dict[str, Counter[str]] = {}
    for facts in written.values():
        for source, counts in facts["sources"].items():
            sources.setdefault(source, Counter()).update(counts)
    packed = all(facts["packed"] for facts in written.values())
    came = _told_once(resources or {}, PACKING) if packed else None
    names = COUNTS if came is None else (*COUNTS, *_add_lost(sources, came["sources"]))
    by_source = {source: {name: counts[name] for name in names} for source, counts in sorted(sources.items())}
    total = {name: sum(counts[name] for counts in by_source.values()) for name in names}
    sequences = sum(facts["sequences"] for facts in written.values())
    length = length or max(facts["longest"] for facts in written.values())
    plan = _told_once(resources or {}, MIXTURE)
    return {
        "length": length,
        "sequences": sequences,
        **total,
        "padding": sequences * length - total["tokens"],
        "sources": by_source,
        **({} if plan is None else {"plan": _plan(plan, by_source)}),
        "files": [{"name": name, "sequences": facts["sequences"]} for name, facts in written.items()],
    }


def _told_once(resources: dict[str, Path], name: str) -> dict[str, Any] | None:
    """What the one resource that has such a file says; None where none has, or several, which do not add up."""
    paths = [folder / name for folder in resources.values() if (folder / name).is_file()]
    return json.loads(paths[0].read_bytes()) if len(paths) == 1 else None


def _add_lost(sources: dict[str, Counter[str]], came: dict[str, dict[str, int]]) -> tuple[str, ...]:
    """Add to each source the tokens that came in, and the tokens and documents dropped; the names of these."""
    for source, told in came.items():
        counts = sources.setdefault(source, Counter())
        counts["in"] = told["tokens"]
        counts["dropped"] = told["tokens"] - counts["tokens"] - counts["cut"]
        counts["dropped_documents"] = told["documents"] - counts["documents"]
    if any(min(counts["dropped"], counts["dropped_documents"]) < 0 for counts in sources.values()):
        raise StageError(
            "more tokens are written than came to the stage `pack`", remedy="give it no `resource`, and run it again"
        )
    return "in", "dropped", "dropped_documents"


def _plan(told: dict[str, Any], by_source: dict[str, dict[str, int]]) -> dict[str, Any]:
    """What each source was to be given over all parts, in all tokens and in trainable ones, and what is written."""
    made: dict[str, Any] = {}
    for part in told["parts"]:
        for name, given in part.items():
            made[name] = made.get(name, 0.0) + given["epochs"]
    units = ("tokens", "trained")
    for name, epochs in made.items():
        made[name] = {"epochs": epochs, "planned": {unit: round(epochs * told[unit][name]) for unit in units}}
        if told["by"] == "source":
            written = by_source.get(name, {})
            made[name]["achieved"] = {unit: written.get(unit, 0) for unit in units}
    return {"by": told["by"], "unit": told["unit"], "sources": made}
