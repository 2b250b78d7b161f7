"""Units of text that stand in several documents of a corpus, and what is left of these without them.

For the stages that differ only in what a unit is. The documents with a unit come in the corpus's order, those of
earlier runs first; only the first of them can keep it.
Costs: keys are made at 39 to 46 MB/s a core with the segmentation, 88 to 101 beside it, in English and Chinese
(tests/benchmarks/marks.py); 20 bytes in the exchange for each different unit of a document; memory: one batch and
`min_copies` rows, however many documents a unit stands in.
Collisions: units are told apart by 64 bits; among 10^9 different ones a pair is equal with a probability of .03.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from datapipe.algo.cutting import SPANS, Kind, Units, cut_out, is_named, units_of
from datapipe.algo.keyed import counted
from datapipe.schema import COLUMNS
from datapipe.stage import IndexedConfig, Mask, Scratch, below, decide, first_of, measure, schema

__all__ = ["REASONS", "RepeatedConfig", "adds_of", "decide_reasons", "keys_of", "resolve", "rest_of"]

TOO_LITTLE_LEFT = "too_little_left"
REASONS = {TOO_LITTLE_LEFT: "something was cut, and fewer than min_words words are left"}
KEYS = schema(row=pa.uint32(), key=pa.uint64())
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), unit=pa.uint64())


class RepeatedConfig(IndexedConfig):
    """Which units are cut, and what must be left."""

    min_copies: int = measure(2, "documents in which a unit must stand to be cut, those of earlier runs included", ge=2)
    keep: Literal["first", "none"] = measure(
        "first", "whether the first document with a unit, in the corpus's order, keeps it"
    )
    min_unit_words: int | None = measure(
        None, "words (characters, in scripts without spaces) that a unit must have to be cut", ge=1
    )
    min_unit_characters: int | None = measure(None, "characters that a unit must have to be cut", ge=1)
    min_words: int | None = decide(
        10, "words left in a document of which something was cut; fewer leave as too_little_left", ge=0
    )


def _counts(units: Units, config: RepeatedConfig) -> Mask:
    """Which units are long enough; one without a word never is."""
    long: Mask = units.words >= (config.min_unit_words or 1)
    return long & (units.characters >= (config.min_unit_characters or 1))


def keys_of(batch: pa.RecordBatch, config: RepeatedConfig, kind: Kind) -> pa.RecordBatch:
    """A row for each different unit of each document that is long enough."""
    units = units_of(batch["text"], kind)
    mine = units.different(_counts(units, config))
    rows = pa.array(units.document[mine].astype(np.uint32))
    return pa.RecordBatch.from_arrays([rows, pa.array(units.hashes[mine])], schema=KEYS)


def resolve(stream: Iterator[pa.RecordBatch], config: RepeatedConfig, _scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """A verdict for each unit of a document of this run that is to be cut."""
    own = len(config.against)
    for rows, sizes, first in counted(stream, ("key",), config.min_copies):
        chosen = (sizes >= config.min_copies) & (rows["run"].to_numpy() == own)
        if config.keep == "first":
            chosen &= ~first
        some = rows.filter(pa.array(chosen))
        yield pa.RecordBatch.from_arrays([some["shard"], some["row"], some["key"]], schema=VERDICTS)


def rest_of(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: RepeatedConfig, kind: Kind) -> pa.RecordBatch:
    """The text without what was cut; how many units and which bytes of the text received that were; words left."""
    units = units_of(batch["text"], kind)
    is_cut = is_named(units, batch["row"], verdicts, "unit") & _counts(units, config)
    return pa.RecordBatch.from_arrays(list(cut_out(batch["text"], units, is_cut)), schema=adds_of(kind))


def adds_of(kind: Kind) -> pa.Schema:
    """What such a stage adds; its column `lines` or `paragraphs` says how many were cut."""
    fields: dict[str, Any] = {"text": COLUMNS["text"], kind: pa.int32(), "spans": SPANS, "words": pa.int32()}
    return schema(**fields)


def decide_reasons(measured: pa.RecordBatch, config: RepeatedConfig) -> pa.StringArray:
    """Documents of which too little is left."""
    return first_of((below(measured["words"], config.min_words), TOO_LITTLE_LEFT))
