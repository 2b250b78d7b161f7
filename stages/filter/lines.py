"""Cut the lines of a page's furniture, and drop documents that held much of it: RefinedWeb's line-wise corrections.

- lines whose letters are mostly capitals, lines of numbers alone, counters (`3 likes`, `12 次阅读`), lines of one word
- in short lines, phrases at the start (`sign in`), at the end (`read more`) or anywhere (`items in cart`)
The document leaves when more than a twentieth of its words were removed. What stays keeps its breaks.
The phrases are those of RefinedWeb's examples and common ones of their kind, in English and Chinese: the full lists
were not published. They are met in any language, as whole words, whatever their case and punctuation; in languages
without spaces a character is a word, so that a line of one word there is one character. No rule asks for the language:
of 25 Chinese pages without furniture none loses more than 1.8% of its words, of 465 of a wiki 5 lose over 5%, of the
text of 671 English articles 7, and of 578 other pages (collections, products, ...) 100 (tests/real/test_lines.py).
With `max_removed_share: by_language` the share may stand in language files of your own.
Costs: 120 MB/s beside the segmentation, of English and of Chinese; the text is stored once more.
Source: Penedo et al. 2023 (RefinedWeb), appendix G.2; what counts as mostly is from its public reproduction (DCLM).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from datapipe.stage import Map, StageConfig, above, first_of, measure, place, schema
from datapipe.text import corrected_lines, segment
from datapipe.text.thresholds import Share, by_language, is_by_language, thresholds, thresholds_library

NAME = "filter.lines"

TOO_MANY_WORDS_REMOVED = "too_many_words_removed"

COUNTED = (
    *("like", "likes", "share", "shares", "comment", "comments", "view", "views", "follower", "followers", "reply"),
    *("replies", "retweets", "reposts", "upvotes", "downvotes", "downloads", "bookmarks"),
    *("个赞", "次阅读", "阅读", "人阅读", "条评论", "评论", "次浏览", "浏览", "粉丝", "次播放", "转发", "收藏"),
)
AT_START = ("sign in", "sign up", "log in", "skip to content", "登录", "注册", "跳到内容")
AT_END = ("read more", "more", "continue reading", "see all", "阅读更多", "查看更多", "阅读全文", "查看全部")
ANYWHERE = ("items in cart", "item in cart", "add to cart", "your cart is empty", "加入购物车", "购物车是空的")


class Config(StageConfig):
    """Which lines and phrases are cut, and how much of a document may be."""

    max_upper_case: float = measure(0.5, "share of letters; a line with more capitals is cut", ge=0, le=1)
    min_words_per_line: int = measure(2, "words; lines with fewer are cut", ge=0)
    short_line_words: int = measure(10, "words; phrases and counters are looked for in lines of no more", ge=0)
    counted: tuple[str, ...] = measure(COUNTED, "what counters count; a line of numbers and one of these is cut")
    at_start: tuple[str, ...] = measure(AT_START, "phrases cut at the start of short lines")
    at_end: tuple[str, ...] = measure(AT_END, "phrases cut at the end of short lines")
    anywhere: tuple[str, ...] = measure(ANYWHERE, "phrases cut anywhere in short lines")
    max_removed_share: Share = by_language(
        0.05, "share of words; more removed leaves as too_many_words_removed", default=0.05, fit=False
    )
    languages: str | None = place(
        None, "folder of language files of your own; each replaces one of datapipe's, or adds one"
    )


COUNTS = ("upper_case", "numeric", "counter", "few_words", "phrase", "words", "removed_words")
ADDS = schema(text=pa.large_string(), **dict.fromkeys(COUNTS, pa.int32()), removed_share=pa.float64())


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The text that stays; lines cut for what (or holding a `phrase`); words before, removed, and their share."""
    texts = batch["text"]
    kept, counts = corrected_lines(
        texts,
        segment(texts),
        upper=config.max_upper_case,
        min_words=config.min_words_per_line,
        short=config.short_line_words,
        counted=config.counted,
        at_start=config.at_start,
        at_end=config.at_end,
        anywhere=config.anywhere,
    )
    share = counts["removed_words"] / np.maximum(counts["words"], 1)
    return pa.RecordBatch.from_arrays(
        [kept, *(pa.array(counts[name]) for name in COUNTS), pa.array(share)], schema=ADDS
    )


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents lost too much."""
    limit = thresholds(config, NAME, measured["language"]) if is_by_language(config) else partial(getattr, config)
    return first_of((above(measured["removed_share"], limit("max_removed_share")), TOO_MANY_WORDS_REMOVED))


def decides(config: Config) -> tuple[str, ...]:
    """The language is asked for only where it matters."""
    return ("removed_share", "language") if is_by_language(config) else ("removed_share",)


def decide_libraries(config: Config) -> tuple[str, ...]:
    """The thresholds in the language files."""
    return thresholds_library(config, NAME)


STAGE = Map(
    name=NAME,
    version=1,
    config=Config,
    reads=("text",),
    adds=ADDS,
    reasons={TOO_MANY_WORDS_REMOVED: "too many of its words stood in lines and phrases that were cut"},
    libraries=("datapipe.text",),
    process=process,
    decide=decide_reasons,
    decides=decides,
    decide_libraries=decide_libraries,
)
