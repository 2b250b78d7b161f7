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
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.algo.hosts import host_hashes
from datapipe.algo.keyed import counted, of_rows
from datapipe.schema import COLUMNS
from datapipe.stage import Group, Mask, Round, Scratch, Share, StageConfig, below, decide, first_of, measure, schema
from datapipe.text import BytesView, hash_slices, normal_form, readonly, segment, view_bytes
from datapipe.text.cutting import SPANS, spans_of, without
from datapipe.text.segmentation import flat

TOO_LITTLE_LEFT = "too_little_left"

ADDS = schema(text=COLUMNS["text"], lines=pa.int32(), spans=SPANS, words=pa.int32(), judged=pa.bool_())
KEYS = schema(row=pa.uint32(), key=pa.uint64(), host=pa.uint64(), line=pa.uint64())
SECOND = schema(shard=pa.uint32(), row=pa.uint32(), key=pa.uint64(), line=pa.uint64())
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), line=pa.uint64())
PAGE = 0  # in the place of a line's hash: the row counts a page of the host
NEWLINE, RETURN, FILE_SEPARATOR, RECORD_SEPARATOR = 0x0A, 0x0D, 0x1C, 0x1E
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd, so that host and line make one key without losing bits

Int64s = npt.NDArray[np.int64]
Uint64s = npt.NDArray[np.uint64]


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


class _Lines(NamedTuple):
    """The lines of all documents: their document, bytes [start, end) in the buffer, words, and hash.

    `pairs` stands for document and line together. Of lines without a word the hash is that of a page.
    """

    document: Int64s
    start: Int64s
    end: Int64s
    words: Int64s
    hashes: Uint64s

    @property
    def pairs(self) -> Uint64s:
        """uint64; two different ones are equal with a probability of 2^-64."""
        return _pairs(self.document, self.hashes)


def _pairs(document: Int64s, hashes: Uint64s) -> Uint64s:
    return hashes + document.astype(np.uint64) * SPREAD


def _lines(texts: Any) -> _Lines:
    view, pieces = view_bytes(texts), segment(texts)
    form = normal_form(texts, pieces)
    document, at = flat(pieces.lines.first, pieces.lines.last)
    start, end = view.starts[document] + pieces.lines.start[at], view.starts[document] + pieces.lines.end[at]
    owner, word = flat(form.first, form.last)
    stands = view.starts[owner] + pieces.words.start[form.token[word]]
    first, last = np.searchsorted(stands, start), np.searchsorted(stands, end)
    some = last > first
    hashes = np.full(len(document), PAGE, np.uint64)
    slices = form.start[word[first[some]]], form.end[word[last[some] - 1]]
    hashes[some] = np.maximum(hash_slices(BytesView(form.data, *map(readonly, slices))), PAGE + 1)
    return _Lines(document, start, end, last - first, hashes)


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """A row for each page with a host and a text, and one for each different line of it."""
    hosts, known = host_hashes(batch["url"])
    known &= batch["text"].is_valid().to_numpy(zero_copy_only=False)
    lines = _lines(batch["text"])
    mine = np.flatnonzero(known[lines.document] & (lines.words > 0))
    _, firsts = np.unique(lines.pairs[mine], return_index=True)
    mine = mine[np.sort(firsts)]
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


def _is_cut(lines: _Lines, rows: Any, verdicts: pa.RecordBatch) -> Mask:
    if verdicts.num_rows == 0:  # then it may have no columns but `row`
        return np.zeros(len(lines.document), np.bool_)
    return np.isin(lines.pairs, _pairs(of_rows(rows, verdicts), verdicts["line"].to_numpy()))


def _breaks(data: npt.NDArray[np.uint8]) -> Int64s:
    """Where the last bytes of line breaks stand: of U+000A to D, 1C to 1E, 85, 2028 and 2029, in order."""
    ends = (data >= NEWLINE) & (data <= RETURN) | (data >= FILE_SEPARATOR) & (data <= RECORD_SEPARATOR)
    for last, before in ((0x85, (0xC2,)), (0xA8, (0x80, 0xE2)), (0xA9, (0x80, 0xE2))):
        at = np.flatnonzero(data == last)
        at = at[at >= len(before)]
        for back, byte in enumerate(before, 1):
            at = at[data[at - back] == byte]
        ends[at] = True
    return np.flatnonzero(ends)


def _parts(view: BytesView, lines: _Lines) -> tuple[Int64s, Int64s]:
    """Where the part of the buffer that goes with each line begins and ends.

    It reaches from the line's indentation to that of the next line, so the breaks behind a line go with it.
    """
    breaks = np.append(-1, _breaks(view.data))
    begins = breaks[np.searchsorted(breaks, lines.start) - 1] + 1
    begins = np.maximum(begins, view.starts[lines.document])
    same = lines.document[1:] == lines.document[:-1]
    ends = view.ends[lines.document]
    ends[:-1][same] = begins[1:][same]
    return begins, ends


def _cuts(view: BytesView, lines: _Lines, is_cut: Mask) -> tuple[Int64s, Int64s]:
    """Where the parts begin and end that go with the lines that are cut; at a text's end the breaks before go too."""
    starts, ends = _parts(view, lines)
    chosen, stays = np.flatnonzero(is_cut), np.flatnonzero(~is_cut)
    document = lines.document[chosen]
    nobody = len(lines.document)
    after = np.append(stays, nobody)[np.searchsorted(stays, chosen)]
    is_last = np.append(lines.document, -1)[after] != document
    follows = (chosen > 0) & (lines.document[chosen - 1] == document) & ~is_cut[chosen - 1]
    ending = chosen[is_last & follows]
    starts[ending] = lines.end[ending - 1]
    return starts[chosen], ends[chosen]


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The text without what was cut; how many lines and which bytes of the text received that were; words left."""
    texts, count = batch["text"], batch.num_rows
    lines, view = _lines(texts), view_bytes(texts)
    is_cut = _is_cut(lines, batch["row"], verdicts)
    starts, ends = _cuts(view, lines, is_cut)
    document = lines.document[is_cut]
    cut = np.bincount(document, minlength=count)
    words = np.bincount(lines.document[~is_cut], lines.words[~is_cut], count)
    _, known = host_hashes(batch["url"])
    before = view.starts[document]
    arrays: list[pa.Array[Any]] = [
        without(texts, starts, ends) if len(starts) else texts,
        pa.array(cut.astype(np.int32)),
        spans_of(document, starts - before, ends - before, count),
        pa.array(words.astype(np.int32), mask=cut == 0),
        pa.array(known),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ADDS)


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
