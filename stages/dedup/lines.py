"""Cut lines that stand in many documents of the corpus.

What: a line that stands in at least min_copies documents is taken out of all but the first, or of all (`keep`). Lines
are equal by their normal form (casefolded words without accents and punctuation, digits as 0); those without a word are
left alone. A line twice in one document counts once. A document of which something was cut and fewer than min_words
words are left leaves, with the first copies that it kept. What was cut is told in `spans`, bytes of the text received.
`match: ngrams` cuts lines that others are like, by the share of their n-grams that stand in earlier documents, and
drops documents of which most is known (`seen`): the rule of DCLM, whose paragraphs are lines, made exact; how, and
where it differs, is said in datapipe/algo/repeated.py. There an n-gram counts from its second document on.
`against` counts the lines of earlier runs too, which stay as they are; with `keep: first` and min_copies 2 the runs in
turn give what one run over both gives, with more copies the documents of the earlier runs keep what was too rare then.
Text whose short lines recur by right (source code, verse, dialogue) is better left out with `where`; for what recurs
on one host take `dedup.host_lines`.
Source: line-level deduplication as in Llama 3 (Dubey et al. 2024, 3.1.1), which removes lines that appeared more than 6
times in each bucket of 30 million documents: seven copies are that limit, over the whole corpus here, for which in a
corpus of many buckets a higher number is nearer to theirs; after CCNet (Wenzek et al. 2020). Whether their first copy
stays, the paper does not say. Costs: datapipe/algo/repeated.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from datapipe.algo.repeated import REASONS, RepeatedConfig, adds_of, decide_reasons, keys_of, resolve, rest_of
from datapipe.stage import Group, Round, measure


class Config(RepeatedConfig):
    """Which lines are cut, and what must be left."""

    usual_copies: ClassVar[int] = 7

    min_copies: int | None = measure(
        None,
        "documents in which a line, or an n-gram, must stand to count, those of earlier runs included; "
        "not given: 7, of n-grams 2",
        ge=2,
    )


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """A row for each different line of each document."""
    return keys_of(batch, config, "lines")


def adds(config: Config) -> pa.Schema:
    """The text, what was cut of it, and with n-grams how much stands in earlier documents."""
    return adds_of(config, "lines")


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The text without what was cut; how many lines and which bytes of the text received that were; words left."""
    return rest_of(batch, verdicts, config, "lines")


STAGE = Group(
    name="dedup.lines",
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
