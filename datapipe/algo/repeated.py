"""Units of text that stand in several documents of a corpus, and what is left of these without them.

For the stages that differ only in what a unit is. The documents with a unit come in the corpus's order, those of
earlier runs first; only the first of them can keep it.
`match: ngrams` cuts units that nearly stand in earlier documents: of whose n-grams at least min_share do. It is the
rule of BFF, DCLM's tool (`old-both` with n-grams of 13 words and a share of 0.8) and of Dolma's `by_ngram`, exact:
theirs ask a Bloom filter, which takes a share of all n-grams (DCLM: 1%) for known that are not, and follow the order in
which threads get there. As in BFF, a document of whose n-grams more than max_seen are known leaves, whatever was cut.
It differs from BFF in what follows.
- N-grams are held against earlier documents, not also against units above in the same one: documents that repeat
  themselves are the matter of `filter.gopher`, `filter.repetition` and `dedup.substring`.
- N-grams of units that were cut are known, too; BFF knows those of units that stay. So a verdict depends on texts, not
  on verdicts, and runs in turn (`against`) give what one run over all gives.
- A share equal to min_share is cut, as in Dolma; in BFF only a greater one.
- A unit shorter than an n-gram is one as a whole, which only an equal unit has, as in Dolma. BFF leaves it alone, as
  `min_unit_words: 13` does here.
- In scripts without spaces an n-gram is of 13 characters, which tells texts apart as well as 13 words do: of a
  document's, on average 1.2% stand in an earlier one in OI-wiki, 1.0% in WCXB (of 8 characters 2.5%, of 20 1.0%).
Costs: keys are made at 39 to 46 MB/s a core with the segmentation, 88 to 101 beside it, in English and Chinese
(tests/benchmarks/marks.py); 20 bytes in the exchange for each different unit of a document; memory: one batch and
`min_copies` rows, however many documents a unit stands in. N-grams of paragraphs: 33 to 49 MB/s with the segmentation
to make keys, 28 to 42 to apply verdicts, and as many rows in the exchange as a document has different n-grams, which
is 1.8 bytes for a byte of English and 3.3 of Chinese (tests/benchmarks/repeats.py, on a busy machine).
Source of n-grams: Li et al. 2024 (DataComp-LM) and its tool BFF (`old-both`); Dolma (Soldaini et al. 2024), `by_ngram`.
Collisions: units are told apart by 64 bits; among 10^9 different ones a pair is equal with a probability of .03.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from datapipe.algo.cutting import SPANS, Kind, Units, cut_out, is_named, units_of
from datapipe.algo.keyed import counted
from datapipe.algo.unit_ngrams import grams_of, shares
from datapipe.schema import COLUMNS
from datapipe.stage import IndexedConfig, Mask, Scratch, Share, above, below, decide, first_of, measure, schema

__all__ = ["REASONS", "RepeatedConfig", "adds_of", "decide_reasons", "keys_of", "resolve", "rest_of"]

MOSTLY_SEEN = "mostly_seen"
TOO_LITTLE_LEFT = "too_little_left"
REASONS = {
    MOSTLY_SEEN: "with match ngrams: more than max_seen of its n-grams stand in earlier documents",
    TOO_LITTLE_LEFT: "something was cut, and fewer than min_words words are left",
}
KEYS = schema(row=pa.uint32(), key=pa.uint64())
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), unit=pa.uint64())


class RepeatedConfig(IndexedConfig):
    """Which units are cut, and what must be left."""

    usual_copies: ClassVar[int] = 2

    match: Literal["whole", "ngrams"] = measure(
        "whole", "what must stand in other documents for a unit to be cut: all of it, or a share of its n-grams"
    )
    min_copies: int | None = measure(
        None,
        "documents in which a unit, or an n-gram, must stand to count, those of earlier runs included; not given: 2",
        ge=2,
    )
    keep: Literal["first", "none"] = measure(
        "first", "whether it does not count in the first document with it, in the corpus's order, or counts in all"
    )
    ngram: int = measure(
        13, "words of an n-gram, in scripts without spaces characters; a unit of fewer is one n-gram", ge=2
    )
    min_share: Share = measure(
        0.8, "with match ngrams: share of a unit's n-grams that must count for it to be cut", gt=0, le=1
    )
    min_unit_words: int | None = measure(
        None, "words (characters, in scripts without spaces) that a unit must have to be cut", ge=1
    )
    min_unit_characters: int | None = measure(None, "characters that a unit must have to be cut", ge=1)
    max_seen: Share | None = decide(
        0.8,
        "with match ngrams: share of a document's n-grams that may count; with more it leaves as mostly_seen",
        ge=0,
        le=1,
    )
    min_words: int | None = decide(
        10, "words left in a document of which something was cut; fewer leave as too_little_left", ge=0
    )

    @property
    def copies(self) -> int:
        """The documents in which a unit or n-gram must stand."""
        return self.min_copies or (RepeatedConfig if self.match == "ngrams" else type(self)).usual_copies


def _counts(units: Units, config: RepeatedConfig) -> Mask:
    """Which units are long enough; one without a word never is."""
    long: Mask = units.words >= (config.min_unit_words or 1)
    return long & (units.characters >= (config.min_unit_characters or 1))


def keys_of(batch: pa.RecordBatch, config: RepeatedConfig, kind: Kind) -> pa.RecordBatch:
    """A row for each different unit of each document that is long enough, or for each different n-gram of these."""
    units = units_of(batch["text"], kind)
    some = _counts(units, config)
    if config.match == "ngrams":
        grams = grams_of(units, some, config.ngram)
        mine, document, hashes = grams.different(), grams.document, grams.hashes
    else:
        mine, document, hashes = units.different(some), units.document, units.hashes
    return pa.RecordBatch.from_arrays([pa.array(document[mine].astype(np.uint32)), pa.array(hashes[mine])], schema=KEYS)


def resolve(stream: Iterator[pa.RecordBatch], config: RepeatedConfig, _scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """A verdict for each unit, or n-gram, of a document of this run that counts."""
    own = len(config.against)
    for rows, sizes, first in counted(stream, ("key",), config.copies):
        chosen = (sizes >= config.copies) & (rows["run"].to_numpy() == own)
        if config.keep == "first":
            chosen &= ~first
        some = rows.filter(pa.array(chosen))
        yield pa.RecordBatch.from_arrays([some["shard"], some["row"], some["key"]], schema=VERDICTS)


def rest_of(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: RepeatedConfig, kind: Kind) -> pa.RecordBatch:
    """The text without what was cut; how many units and which bytes of the text received that were; words left.

    With n-grams also the share of the document's that stand in earlier ones.
    """
    units = units_of(batch["text"], kind)
    some = _counts(units, config)
    more: list[Any] = []
    if config.match == "ngrams":
        seen = shares(units, grams_of(units, some, config.ngram), batch, verdicts)
        is_cut = seen.units >= config.min_share
        more = [pa.array(seen.documents, from_pandas=True)]
    else:
        is_cut = is_named(units, batch["row"], verdicts, "unit") & some
    arrays = [*cut_out(batch["text"], units, is_cut), *more]
    return pa.RecordBatch.from_arrays(arrays, schema=adds_of(config, kind))


def adds_of(config: RepeatedConfig, kind: Kind) -> pa.Schema:
    """What such a stage adds; its column `lines` or `paragraphs` says how many were cut."""
    fields: dict[str, Any] = {"text": COLUMNS["text"], kind: pa.int32(), "spans": SPANS, "words": pa.int32()}
    if config.match == "ngrams":
        fields["seen"] = pa.float64()  # as float32, eight tenths would lie above 0.8
    return schema(**fields)


def decide_reasons(measured: pa.RecordBatch, config: RepeatedConfig) -> pa.StringArray:
    """Documents that are mostly known, or of which too little is left."""
    left = (below(measured["words"], config.min_words), TOO_LITTLE_LEFT)
    if config.match == "ngrams":
        return first_of((above(measured["seen"], config.max_seen), MOSTLY_SEEN), left)
    return first_of(left)
