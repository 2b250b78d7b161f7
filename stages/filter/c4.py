"""Keep the lines that are sentences, and documents with enough of them: the rules of C4.

A line stays if it ends as a sentence does (a terminal mark of any script, or a quotation mark, but not three full
stops), has `min_words_per_line` words and none of more than `max_word_characters`, and speaks neither of JavaScript
nor of policies and cookies. Marks of citations are taken out. Documents with "lorem ipsum" or a curly bracket
anywhere leave, and those with too few sentences in the lines that stay: the paper has 5, its public code 3.
In languages without spaces a character is a word. Not here: C4's list of bad words, which is `filter.toxicity`'s.
In FineWeb's experiments the rule of terminal marks alone removed 30% of all tokens, the others together 7% and did
better: `terminal: false` leaves it out.
`like: datatrove` decides as that tool does where it differs (datatrove knows no Chinese phrases; set `policies` too).
Costs: 215 MB/s of English and of Chinese beside the segmentation.
Source: Raffel et al. 2020 (C4), section 2.2; Penedo et al. 2024 (FineWeb), section 3.5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.stage import Map, StageConfig, below, decide, first_of, measure, schema
from datapipe.text import kept_lines, segment

LOREM_IPSUM = "lorem_ipsum"
CURLY_BRACKET = "curly_bracket"
TOO_FEW_SENTENCES = "too_few_sentences"

POLICIES = (
    *("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"),
    *("使用条款", "服务条款", "隐私政策", "隐私权政策", "使用條款", "服務條款", "隱私政策", "隱私權政策"),
)


class Config(StageConfig):
    """Which lines stay, and how many sentences they must hold."""

    terminal: bool = measure(True, "whether a line must end as a sentence does")
    min_words_per_line: int = measure(3, "words of a line; lines with fewer are cut", ge=0)
    max_word_characters: int | None = measure(1000, "characters of a word; lines with a longer one are cut", ge=1)
    policies: tuple[str, ...] = measure(POLICIES, "phrases, whatever their case; lines with one are cut")
    like: Literal["datatrove"] | None = measure(
        None,
        "datatrove: words are what stands between spaces, a line ends with . ? ! or a quotation mark of ASCII, and "
        "lorem ipsum and { count in lines that the rules before let pass",
    )
    min_sentences: int | None = decide(5, "sentences in the lines that stay; fewer leave as too_few_sentences", ge=0)
    lorem_ipsum: bool = decide(True, "whether documents with `lorem ipsum` leave")
    curly_bracket: bool = decide(True, "whether documents with `{` leave")


COUNTS = ("kept", "long_word", "no_terminal", "few_words", "script", "policy", "sentences")
FLAGS = ("lorem_ipsum", "brace")
ADDS = schema(text=pa.large_string(), **dict.fromkeys(COUNTS, pa.int32()), **dict.fromkeys(FLAGS, pa.bool_()))


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The text of the lines that stay, how many lines stay or are cut for what, and sentences in those that stay."""
    texts = batch["text"]
    kept, counts = kept_lines(
        texts,
        segment(texts),
        min_words=config.min_words_per_line,
        max_word_length=config.max_word_characters,
        terminal=config.terminal,
        policies=config.policies,
        peer=config.like is not None,
    )
    arrays = [pa.array(counts[name].astype(np.bool_) if name in FLAGS else counts[name]) for name in ADDS.names[1:]]
    return pa.RecordBatch.from_arrays([kept, *arrays], schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Why each document leaves."""
    given: list[Any] = [measured[name] for name in FLAGS]
    flags: list[Any] = [pc.fill_null(flag, False) for flag in given]
    lorem, brace = (flag.to_numpy(zero_copy_only=False) for flag in flags)
    return first_of(
        (lorem & config.lorem_ipsum, LOREM_IPSUM),
        (brace & config.curly_bracket, CURLY_BRACKET),
        (below(measured["sentences"], config.min_sentences), TOO_FEW_SENTENCES),
    )


STAGE = Map(
    name="filter.c4",
    version=1,
    config=Config,
    reads=("text",),
    adds=ADDS,
    reasons={
        LOREM_IPSUM: "it holds the filler text lorem ipsum",
        CURLY_BRACKET: "it holds a curly bracket, as code does",
        TOO_FEW_SENTENCES: "fewer sentences than min_sentences in the lines that stay",
    },
    libraries=("datapipe.text",),
    process=process,
    decide=decide_reasons,
    decides=("sentences", *FLAGS),
)
