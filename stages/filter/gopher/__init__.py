"""Keep documents that look like prose and do not repeat themselves: the rules of Gopher.

All measures are stored; the thresholds decide afterwards, and can be changed without measuring again. A measure is
null where its rule does not apply: then the document passes that rule.

What a rule needs to know of a language:
- stop words: a list (`_stop_words`). Documents in other languages, or in none, pass and count as `not_judged`.
- word length: spaces between words. In Chinese, Japanese, Thai, Lao, Khmer, Burmese and Tibetan every character
  counts as a word here, so the rule is off: by English lengths it would drop all of them.
- words with a letter, as cut by spaces: the same languages, where a unit is a whole sentence; the rule is off (with it,
  64% of a Chinese wiki's pages would leave).
- repeated n-grams: the same languages are measured with runs of 10 to 20 characters where others are with 5 to 10
  words, since a character says less than a word, and 5 of them recur in any good text: 87% of good Chinese pages would
  leave; with 10, 7% of a Chinese wiki do, as many as of English web pages. The columns keep their names. Runs of 2 to 4
  characters need no such change.
- A document whose language is not known meets only the rules that ask for none.
Where public tools differ on what a share is, the paper's wording is followed; see `datapipe.text`.
Costs: 90 MB/s beside the segmentation, 45 MB/s with it; most of it is for n-grams.
Source: Rae et al. 2021 (Gopher), section A.1.1 and Table A1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.stage import Map, StageConfig, above, below, decide, first_of
from datapipe.text import Segmentation, quality_measures, repetition_measures, segment
from stages.filter.gopher._stop_words import STOP_WORDS

REASONS = {
    "too_few_words": "fewer words than min_words",
    "too_many_words": "more words than max_words",
    "word_length": "mean word length outside its bounds",
    "too_many_symbols": "too many hash marks or ellipses for its words",
    "too_many_bullets": "too many lines begin with a bullet",
    "too_many_ellipsis_lines": "too many lines end in an ellipsis",
    "too_few_alphabetic_words": "too few words hold a letter",
    "too_few_stop_words": "too few different stop words of its language",
    "duplicate_lines": "too many lines stood before",
    "duplicate_paragraphs": "too many paragraphs stood before",
    "duplicate_line_characters": "too many characters in lines that stood before",
    "duplicate_paragraph_characters": "too many characters in paragraphs that stood before",
    "top_ngram": "too many characters in the most frequent run of 2, 3 or 4 words",
    "duplicate_ngrams": "too many characters in repeated runs of 5 to 10 words",
}

UNSPACED = frozenset({"bo", "ja", "km", "lo", "my", "th", "zh"})
TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)
LONGER = 2  # times as many characters as words
BY_SPACES = {"mean_word_length", "alphabetic_words"}


class Config(StageConfig):
    """Thresholds of Rae et al. 2021, Table A1, all inclusive: a document at a threshold is kept."""

    min_words: int | None = decide(50, "words; fewer leave as too_few_words", ge=0)
    max_words: int | None = decide(100_000, "words; more leave as too_many_words", ge=0)
    min_mean_word_length: float | None = decide(3.0, "characters a word on average; less leaves as word_length", ge=0)
    max_mean_word_length: float | None = decide(10.0, "characters a word on average; more leaves as word_length", ge=0)
    max_hash_marks_per_word: float | None = decide(0.1, "# for each word; more leaves as too_many_symbols", ge=0)
    max_ellipses_per_word: float | None = decide(0.1, "... for each word; more leaves as too_many_symbols", ge=0)
    max_bullet_lines: float | None = decide(0.9, "share of lines; more leaves as too_many_bullets", ge=0, le=1)
    max_ellipsis_lines: float | None = decide(0.3, "share of lines; more leaves as too_many_ellipsis_lines", ge=0, le=1)
    min_alphabetic_words: float | None = decide(
        0.8, "share of words, as cut by spaces; less leaves as too_few_alphabetic_words", ge=0, le=1
    )
    min_stop_words: int | None = decide(2, "different stop words; fewer leave as too_few_stop_words", ge=0)
    max_duplicate_lines: float | None = decide(0.3, "share of lines; more leaves as duplicate_lines", ge=0, le=1)
    max_duplicate_paragraphs: float | None = decide(
        0.3, "share of paragraphs; more leaves as duplicate_paragraphs", ge=0, le=1
    )
    max_duplicate_line_characters: float | None = decide(
        0.2, "share of characters in lines; more leaves as duplicate_line_characters", ge=0, le=1
    )
    max_duplicate_paragraph_characters: float | None = decide(
        0.2, "share of characters in paragraphs; more leaves as duplicate_paragraph_characters", ge=0, le=1
    )
    max_top_2_gram: float | None = decide(0.20, "share of characters in words; more leaves as top_ngram", ge=0, le=1)
    max_top_3_gram: float | None = decide(0.18, "share of characters in words; more leaves as top_ngram", ge=0, le=1)
    max_top_4_gram: float | None = decide(0.16, "share of characters in words; more leaves as top_ngram", ge=0, le=1)
    max_duplicate_5_grams: float | None = decide(
        0.15, "share of characters in words; more leaves as duplicate_ngrams", ge=0, le=1
    )
    max_duplicate_6_grams: float | None = decide(0.14, "the same for runs of 6 words", ge=0, le=1)
    max_duplicate_7_grams: float | None = decide(0.13, "the same for runs of 7 words", ge=0, le=1)
    max_duplicate_8_grams: float | None = decide(0.12, "the same for runs of 8 words", ge=0, le=1)
    max_duplicate_9_grams: float | None = decide(0.11, "the same for runs of 9 words", ge=0, le=1)
    max_duplicate_10_grams: float | None = decide(0.10, "the same for runs of 10 words", ge=0, le=1)


NGRAMS = (*(f"top_{n}_gram" for n in TOP), *(f"duplicate_{n}_grams" for n in DUPLICATE))
# Each column that a rule looks at, and the rule's reason, in the order of the rules.
SHARES = {
    "bullet_lines": "too_many_bullets",
    "ellipsis_lines": "too_many_ellipsis_lines",
    "alphabetic_words": "too_few_alphabetic_words",
    "stop_words": "too_few_stop_words",
    "duplicate_lines": "duplicate_lines",
    "duplicate_paragraphs": "duplicate_paragraphs",
    "duplicate_line_characters": "duplicate_line_characters",
    "duplicate_paragraph_characters": "duplicate_paragraph_characters",
    **{name: "top_ngram" if name.startswith("top") else "duplicate_ngrams" for name in NGRAMS},
}
COUNTS = ("words", "stop_words")
MEASURES = ("words", "mean_word_length", "hash_marks_per_word", "ellipses_per_word", *SHARES)
# float64: as float32, one tenth would lie above 0.1.
ADDS = pa.schema(
    [(name, pa.int32() if name in COUNTS else pa.float64()) for name in MEASURES] + [("judged", pa.bool_())]
)

Rows: TypeAlias = npt.NDArray[np.int64]
Measures: TypeAlias = dict[str, npt.NDArray[Any]]


def _measure(texts: pa.Array[Any], segmentation: Segmentation, language: str | None) -> Measures:
    """All measures of texts in one language; those missing do not apply."""
    longer = LONGER if language in UNSPACED else 1
    repeated = repetition_measures(segmentation, top=TOP, duplicate=tuple(n * longer for n in DUPLICATE))
    measures = quality_measures(texts, segmentation, stop_words=STOP_WORDS.get(language or "", ()))
    measures |= {name: repeated[name] for name in repeated if name in MEASURES}
    measures |= {f"duplicate_{n}_grams": repeated[f"duplicate_{n * longer}_grams"] for n in DUPLICATE}
    not_applied: set[str] = set()
    if language is None or language in UNSPACED:
        not_applied |= BY_SPACES
    if language not in STOP_WORDS:
        not_applied |= {"stop_words"}
    if language is None:
        not_applied |= set(NGRAMS)
    return {name: values for name, values in measures.items() if name not in not_applied}


def _groups(languages: pa.Array[Any]) -> dict[str | None, Rows]:
    """The rows of each language, in order."""
    codes: Any = languages.dictionary_encode()
    indices = pc.fill_null(codes.indices, len(codes.dictionary)).to_numpy(zero_copy_only=False)
    names = [*codes.dictionary.to_pylist(), None]
    return {name: rows for i, name in enumerate(names) if len(rows := np.flatnonzero(indices == i))}


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """All measures, null where one does not apply, and whether stop words of the language are known (`judged`)."""
    texts, segmentation = batch["text"], segment(batch["text"])
    found = {name: np.zeros(batch.num_rows, np.int32 if name in COUNTS else np.float64) for name in MEASURES}
    absent = {name: np.ones(batch.num_rows, np.bool_) for name in MEASURES}
    judged = np.zeros(batch.num_rows, np.bool_)
    for language, rows in _groups(batch["language"]).items():
        whole = len(rows) == batch.num_rows
        some = (texts, segmentation) if whole else (texts.take(rows), segmentation.take(rows))
        for name, values in _measure(*some, language).items():
            found[name][rows] = values
            absent[name][rows] = False
        judged[rows] = language in STOP_WORDS
    arrays: list[pa.Array[Any]] = [pa.array(found[name], mask=absent[name]) for name in MEASURES]
    return pa.RecordBatch.from_arrays([*arrays, pa.array(judged)], schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Why each document leaves, by the first rule that it fails."""
    words, length = measured["words"], measured["mean_word_length"]
    rules = [
        (below(words, config.min_words), "too_few_words"),
        (above(words, config.max_words), "too_many_words"),
        (below(length, config.min_mean_word_length), "word_length"),
        (above(length, config.max_mean_word_length), "word_length"),
        (above(measured["hash_marks_per_word"], config.max_hash_marks_per_word), "too_many_symbols"),
        (above(measured["ellipses_per_word"], config.max_ellipses_per_word), "too_many_symbols"),
    ]
    for name, reason in SHARES.items():
        side, bound = ("min", below) if reason.startswith("too_few") else ("max", above)
        rules.append((bound(measured[name], getattr(config, f"{side}_{name}")), reason))
    return first_of(*rules)


STAGE = Map(
    name="filter.gopher",
    version=1,
    config=Config,
    reads=("text", "language"),
    adds=ADDS,
    reasons=REASONS,
    process=process,
    libraries=("datapipe.text",),
    decide=decide_reasons,
)
