"""Cut paragraphs that stood in an earlier document of the corpus.

What: a paragraph (lines between blank ones) that stands in at least min_copies documents is taken out of all but the
first, or of all (`keep`). Paragraphs are equal by their normal form (casefolded words without accents and punctuation,
digits as 0), however their lines are broken; those without a word are left alone. A paragraph twice in one document
counts once. A document of which something was cut and fewer than min_words words are left leaves, with the first copies
that it kept. What was cut is told in `spans`, bytes of the text received.
`match: ngrams` cuts paragraphs that others are like, by the share of their n-grams that stand in earlier documents, and
drops documents of which most is known (`seen`): the rule of Dolma and DCLM made exact; how, and where it differs, is
said in datapipe/algo/repeated.py. Their paragraphs end at each line break: `dedup.lines` is nearer to them.
`against` counts the paragraphs of earlier runs too, which stay as they are; with `keep: first` and min_copies 2 the
runs in turn give what one run over both gives.
Source: paragraph-level deduplication as in CCNet (Wenzek et al. 2020) and Dolma (Soldaini et al. 2024), with exact
hashes in place of a Bloom filter. Costs: datapipe/algo/repeated.py.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.algo.repeated import REASONS, RepeatedConfig, adds_of, decide_reasons, keys_of, resolve, rest_of
from datapipe.stage import Group, Round


class Config(RepeatedConfig):
    """Which paragraphs are cut, and what must be left."""


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """A row for each different paragraph of each document."""
    return keys_of(batch, config, "paragraphs")


def adds(config: Config) -> pa.Schema:
    """The text, what was cut of it, and with n-grams how much stands in earlier documents."""
    return adds_of(config, "paragraphs")


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The text without what was cut; how many paragraphs and which bytes of the text received that were; words left."""
    return rest_of(batch, verdicts, config, "paragraphs")


STAGE = Group(
    name="dedup.paragraphs",
    version=1,
    config=Config,
    reads=("text",),
    adds=adds,
    reasons=REASONS,
    rounds=(Round(emit=emit, resolve=resolve),),
    apply=apply,
    applies=("text",),
    libraries=("datapipe.text",),
    decide=decide_reasons,
)
