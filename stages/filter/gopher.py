"""Keep documents that look like prose and do not repeat themselves: the rules of Gopher.

All measures are stored; the thresholds decide afterwards, and can be changed without measuring again. A measure is
null where its rule does not apply: then the document passes that rule.

What a rule needs to know of a language:
- stop words: the list in its file. Documents in other languages, or in none, pass and count as `not_judged`.
- word length: spaces between words. In Chinese, Japanese, Thai, Lao, Khmer, Burmese and Tibetan every character
  counts as a word here, so the rule is off: by English lengths it would drop all of them.
- words with a letter, as cut by spaces: the same languages, where a unit is a whole sentence; the rule is off (with it,
  64% of a Chinese wiki's pages would leave).
- repeated n-grams: the same languages are measured with runs of 10 to 20 characters where others are with 5 to 10
  words, since a character says less than a word, and 5 of them recur in any good text: 87% of good Chinese pages would
  leave; with 10, 7% of a Chinese wiki do, as many as of English web pages. The columns keep their names. Runs of 2 to 4
  characters need no such change.
- A document whose language is not known meets only the rules that ask for none.
- thresholds: those of the paper were made for English; the file of a language may give others. An option that a recipe
  sets holds for every language.
What is known of each language stands in `configs/languages/`, or in a folder of the user's own (`languages`).
Where public tools differ on what a share is, the paper's wording is followed; see `datapipe.text`. `like: datatrove`
decides as that tool does.
Costs: 170 MB/s of English beside the segmentation, 80 of Chinese; most of it is for n-grams.
Source: Rae et al. 2021 (Gopher), section A.1.1 and Table A1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.algo.rows import rows_by_value
from datapipe.stage import Map, StageConfig, above, below, first_of, measure, place
from datapipe.text import (
    Segmentation,
    peer_gopher_measures,
    quality_measures,
    repetition_measures,
    segment,
)
from datapipe.text.languages import Language, language, language_codes, languages_digest
from datapipe.text.quality import GOPHER_STOP_WORDS
from datapipe.text.thresholds import Count, Number, Share, by_language, thresholds, thresholds_library

NAME = "filter.gopher"

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

TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)
LONGER = 2  # times as many characters as words
BY_SPACES = {"mean_word_length", "alphabetic_words"}


class Config(StageConfig):
    """Thresholds of Rae et al. 2021, Table A1, all inclusive: a document at a threshold is kept."""

    like: Literal["datatrove"] | None = measure(
        None,
        "datatrove: measures and the order of rules as that tool has them: words are cut nearly as there, punctuation "
        "counts, shares of repeated text are of all characters, whatever the language, and only extra copies of "
        "n-grams count",
    )
    min_words: Count = by_language(50, "words; fewer leave as too_few_words", fit=False)
    max_words: Count = by_language(100_000, "words; more leave as too_many_words", fit=False)
    min_mean_word_length: Number = by_language(3.0, "characters a word on average; less leaves as word_length")
    max_mean_word_length: Number = by_language(10.0, "characters a word on average; more leaves as word_length")
    max_hash_marks_per_word: Number = by_language(0.1, "# for each word; more leaves as too_many_symbols")
    max_ellipses_per_word: Number = by_language(0.1, "... for each word; more leaves as too_many_symbols")
    max_bullet_lines: Share = by_language(0.9, "share of lines; more leaves as too_many_bullets")
    max_ellipsis_lines: Share = by_language(0.3, "share of lines; more leaves as too_many_ellipsis_lines")
    min_alphabetic_words: Share = by_language(
        0.8, "share of words, as cut by spaces; less leaves as too_few_alphabetic_words"
    )
    min_stop_words: Count = by_language(2, "different stop words; fewer leave as too_few_stop_words")
    max_duplicate_lines: Share = by_language(0.3, "share of lines; more leaves as duplicate_lines")
    max_duplicate_paragraphs: Share = by_language(0.3, "share of paragraphs; more leaves as duplicate_paragraphs")
    max_duplicate_line_characters: Share = by_language(
        0.2, "share of characters in lines; more leaves as duplicate_line_characters"
    )
    max_duplicate_paragraph_characters: Share = by_language(
        0.2, "share of characters in paragraphs; more leaves as duplicate_paragraph_characters"
    )
    max_top_2_gram: Share = by_language(0.20, "share of characters in words; more leaves as top_ngram")
    max_top_3_gram: Share = by_language(0.18, "share of characters in words; more leaves as top_ngram")
    max_top_4_gram: Share = by_language(0.16, "share of characters in words; more leaves as top_ngram")
    max_duplicate_5_grams: Share = by_language(0.15, "share of characters in words; more leaves as duplicate_ngrams")
    max_duplicate_6_grams: Share = by_language(0.14, "the same for runs of 6 words")
    max_duplicate_7_grams: Share = by_language(0.13, "the same for runs of 7 words")
    max_duplicate_8_grams: Share = by_language(0.12, "the same for runs of 8 words")
    max_duplicate_9_grams: Share = by_language(0.11, "the same for runs of 9 words")
    max_duplicate_10_grams: Share = by_language(0.10, "the same for runs of 10 words")
    languages: str | None = place(
        None, "folder of language files of your own; each replaces one of datapipe's, or adds one"
    )


NGRAMS = (*(f"top_{n}_gram" for n in TOP), *(f"duplicate_{n}_grams" for n in DUPLICATE))
# Columns of shares and counts that a rule looks at, and the rule's reason.
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
# In the order in which they are asked: the bound, the column and the reason.
RULES = (
    (below, "min", "words", "too_few_words"),
    (above, "max", "words", "too_many_words"),
    (below, "min", "mean_word_length", "word_length"),
    (above, "max", "mean_word_length", "word_length"),
    (above, "max", "hash_marks_per_word", "too_many_symbols"),
    (above, "max", "ellipses_per_word", "too_many_symbols"),
    *(
        (below, "min", name, reason) if reason.startswith("too_few") else (above, "max", name, reason)
        for name, reason in SHARES.items()
    ),
)
# datatrove looks at paragraphs before lines, and at both before n-grams.
_REPEATED = ("duplicate_paragraphs", "duplicate_paragraph_characters", "duplicate_lines", "duplicate_line_characters")
PEER_RULES = (
    *(rule for rule in RULES if rule[2] not in (*_REPEATED, *NGRAMS)),
    *((above, "max", name, SHARES[name]) for name in (*_REPEATED, *NGRAMS)),
)
COUNTS = ("words", "stop_words")
MEASURES = ("words", "mean_word_length", "hash_marks_per_word", "ellipses_per_word", *SHARES)
# float64: as float32, one tenth would lie above 0.1.
ADDS = pa.schema(
    [(name, pa.int32() if name in COUNTS else pa.float64()) for name in MEASURES] + [("judged", pa.bool_())]
)

Measures: TypeAlias = dict[str, npt.NDArray[Any]]


def _measure(texts: pa.Array[Any], segmentation: Segmentation, code: str | None, known: Language | None) -> Measures:
    """All measures of texts in one language; those missing do not apply."""
    unspaced = known is not None and known.segmenter == "characters"
    longer = LONGER if unspaced else 1
    repeated = repetition_measures(segmentation, top=TOP, duplicate=tuple(n * longer for n in DUPLICATE))
    measures = quality_measures(texts, segmentation, stop_words=known.stop_words if known else ())
    measures |= {name: repeated[name] for name in repeated if name in MEASURES}
    measures |= {f"duplicate_{n}_grams": repeated[f"duplicate_{n * longer}_grams"] for n in DUPLICATE}
    not_applied: set[str] = set()
    if code is None or unspaced:
        not_applied |= BY_SPACES
    if not _is_judged(known):
        not_applied |= {"stop_words"}
    if code is None:
        not_applied |= set(NGRAMS)
    return {name: values for name, values in measures.items() if name not in not_applied}


def _measure_as_peer(
    texts: pa.Array[Any], _segmentation: Segmentation, _code: str | None, known: Language | None
) -> Measures:
    """All measures as datatrove takes them: every one applies, and without a list the English stop words do."""
    stop_words = known.stop_words if known is not None and known.stop_words else GOPHER_STOP_WORDS
    return peer_gopher_measures(texts, stop_words=stop_words)


def _is_judged(known: Language | None) -> bool:
    return known is not None and bool(known.stop_words)


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """All measures, null where one does not apply, and whether stop words of the language are known (`judged`)."""
    texts, segmentation = batch["text"], segment(batch["text"])
    found = {name: np.zeros(batch.num_rows, np.int32 if name in COUNTS else np.float64) for name in MEASURES}
    absent = {name: np.ones(batch.num_rows, np.bool_) for name in MEASURES}
    judged = np.full(batch.num_rows, config.like is not None)
    measures = _measure if config.like is None else _measure_as_peer
    for code, rows in rows_by_value(batch["language"]).items():
        known = language(code, config.languages)
        whole = len(rows) == batch.num_rows
        some = (texts, segmentation) if whole else (texts.take(rows), segmentation.take(rows))
        for name, values in measures(*some, code, known).items():
            found[name][rows] = values
            absent[name][rows] = False
        judged[rows] |= _is_judged(known)
    arrays: list[pa.Array[Any]] = [pa.array(found[name], mask=absent[name]) for name in MEASURES]
    return pa.RecordBatch.from_arrays([*arrays, pa.array(judged)], schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Why each document leaves, by the first rule that it fails."""
    limit = thresholds(config, NAME, measured["language"])
    order = RULES if config.like is None else PEER_RULES
    rules = [(bound(measured[name], limit(f"{side}_{name}")), reason) for bound, side, name, reason in order]
    return first_of(*rules)


def libraries(config: Config) -> tuple[str, ...]:
    """The Unicode tables, and what the language files say of words."""
    return ("datapipe.text", f"languages={languages_digest(config.languages, 'segmenter', 'stop_words')}")


def decide_libraries(config: Config) -> tuple[str, ...]:
    """The thresholds in the language files."""
    return thresholds_library(config, NAME)


def known_languages(config: Config) -> tuple[str, ...]:
    """Those with stop words."""
    return tuple(code for code in language_codes(config.languages) if _is_judged(language(code, config.languages)))


STAGE = Map(
    name=NAME,
    version=3,
    config=Config,
    reads=("text", "language"),
    adds=ADDS,
    reasons=REASONS,
    process=process,
    libraries=libraries,
    languages=known_languages,
    decide=decide_reasons,
    decides=(*ADDS.names, "language"),
    decide_libraries=decide_libraries,
)
