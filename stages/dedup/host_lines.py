"""Cut lines that stand on many pages of one host: banners, navigation, cookie notices.

What: a line that stands on at least min_pages pages of a host and on at least min_share of them is taken out of all of
them, or of all but the first (`keep`). Lines are equal by the hash of their normal form (casefolded words without
accents and punctuation, digits as 0), so that "3 comments" and "7 comments" are one line; lines without a word, such
as a single bracket, are left alone, and so are the lines of documents without a host, which are `not_judged`.
A document of which something was cut and fewer than min_words words are left leaves. What was cut is told in `spans`.
Text whose short lines recur by right (source code, verse, dialogue) is better left out with `where`.
Costs: 90 to 120 MB/s beside the segmentation (tests/benchmarks/marks.py); 28 bytes in the exchange for each different
line of a page, whose second round sees only lines on min_pages pages; memory: a batch, and a row for each page that a
line needs.
Source: line-wise deduplication within a site as in CCNet (Wenzek et al. 2020) and RefinedWeb (Penedo et al. 2023, G.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from datapipe.algo.cutting import NO_WORDS, SPANS, SPREAD, cut_out, is_named, units_of
from datapipe.algo.hosts import host_hashes
from datapipe.algo.keyed import counted
from datapipe.schema import COLUMNS
from datapipe.stage import Group, Round, Scratch, Share, StageConfig, below, decide, first_of, measure, schema

TOO_LITTLE_LEFT = "too_little_left"

ADDS = schema(text=COLUMNS["text"], lines=pa.int32(), spans=SPANS, words=pa.int32(), judged=pa.bool_())
KEYS = schema(row=pa.uint32(), key=pa.uint64(), host=pa.uint64(), line=pa.uint64())
SECOND = schema(shard=pa.uint32(), row=pa.uint32(), key=pa.uint64(), line=pa.uint64())
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), line=pa.uint64())
PAGE = NO_WORDS  # in the place of a line's hash: the row counts a page of the host


class Config(StageConfig):
    """Which lines are cut, and what must be left."""

    min_pages: int = measure(10, "pages of a host on which a line must stand to be cut", ge=2)
    min_share: Share = measure(0.1, "share of a host's pages on which a line must stand to be cut", ge=0, le=1)
    keep: Literal["none", "first"] = measure(
        "none", "whether the first page with a line, in the corpus's order, keeps it"
    )
    min_words: int | None = decide(
        10, "words left in a document of which something was cut; fewer leave as too_little_left", ge=0
    )


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """A row for each page with a host and a text, and one for each different line of it."""
    hosts, known = host_hashes(batch["url"])
    known &= batch["text"].is_valid().to_numpy(zero_copy_only=False)
    lines = units_of(batch["text"], "lines")
    mine = lines.different(known[lines.document] & (lines.words > 0))
    pages = np.flatnonzero(known)
    row = np.concatenate([pages, lines.document[mine]])
    line = np.concatenate([np.full(len(pages), PAGE, np.uint64), lines.hashes[mine]])
    host = hosts[row]
    arrays: list[Any] = [row.astype(np.uint32), host ^ (line * SPREAD), host, line]
    return pa.RecordBatch.from_arrays([pa.array(values) for values in arrays], schema=KEYS)


def resolve_lines(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """By line: those on enough pages go on, and all pages, to be counted by host."""
    for rows, sizes, _ in counted(stream, ("key", "host", "line"), config.min_pages):
        chosen = (sizes >= config.min_pages) | (rows["line"].to_numpy() == PAGE)
        some = rows.filter(pa.array(chosen))
        yield pa.RecordBatch.from_arrays([some["shard"], some["row"], some["host"], some["line"]], schema=SECOND)


def _with_limits(stream: Iterator[pa.RecordBatch], config: Config) -> Iterator[pa.RecordBatch]:
    """The lines of each host, without its pages, which come first; `limit` is on how many a line must stand."""
    host, before = None, 0  # pages so far of the host that the last batch ended with
    for batch in stream:
        if batch.num_rows == 0:
            continue
        keys, is_page = batch["key"].to_numpy(), batch["line"].to_numpy() == PAGE
        so_far = np.append(0, np.cumsum(is_page))
        firsts = np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1))
        pages = so_far[np.append(firsts[1:], len(keys))] - so_far[firsts]
        pages[0] += before if host == keys[0] else 0
        host, before = keys[-1], int(pages[-1])
        limits = np.maximum(np.ceil(pages * config.min_share - 1e-9), config.min_pages).astype(np.int64)
        lengths = np.diff(np.append(firsts, len(keys)))
        limited: Any = pa.array(np.repeat(limits, lengths))
        whole = pa.RecordBatch.from_arrays([*batch.columns, limited], names=[*batch.schema.names, "limit"])
        yield whole.filter(pa.array(~is_page))


def resolve_hosts(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """By host: a verdict for each line of a document that is to be cut."""
    for rows, sizes, first in counted(_with_limits(stream, config), ("key", "line"), "limit"):
        chosen = sizes >= rows["limit"].to_numpy()
        if config.keep == "first":
            chosen &= ~first
        some = rows.filter(pa.array(chosen))
        yield pa.RecordBatch.from_arrays([some["shard"], some["row"], some["line"]], schema=VERDICTS)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The text without what was cut; how many lines and which bytes of the text received that were; words left."""
    lines = units_of(batch["text"], "lines")
    rest = cut_out(batch["text"], lines, is_named(lines, batch["row"], verdicts, "line"))
    _, known = host_hashes(batch["url"])
    return pa.RecordBatch.from_arrays([*rest, pa.array(known)], schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Documents of which too little is left."""
    return first_of((below(measured["words"], config.min_words), TOO_LITTLE_LEFT))


STAGE = Group(
    name="dedup.host_lines",
    version=2,
    config=Config,
    reads=("text", "url"),
    optional=("url",),
    adds=ADDS,
    reasons={TOO_LITTLE_LEFT: "something was cut, and fewer than min_words words are left"},
    rounds=(
        Round(emit=emit, resolve=resolve_lines, sort=("host", "line")),
        Round(resolve=resolve_hosts, sort=("line",)),
    ),
    apply=apply,
    applies=("text", "url"),
    libraries=("datapipe.text", "idna"),
    decide=decide_reasons,
)
