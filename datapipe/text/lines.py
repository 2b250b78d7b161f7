"""The kernel that finds a batch's lines, paragraphs and sentences.

A line ends at any line break; blank ones are left out and spaces at both ends taken off. A paragraph is a run of
lines with no blank line between. A sentence stands within one line: a terminal mark, closing punctuation, then a
space or the line's end; full-width marks need no space; a sentence holds at least one word. Abbreviations are not
known ("e.g. this" ends at "e.g."). `reference` says the same in plain Python.
Costs: 175 MB/s of English, 200 of Chinese; 20 bytes of output for each line, paragraph and sentence.
"""

from typing import NamedTuple

import numpy as np

from datapipe.text.buffers import BytesView
from datapipe.text.characters import look_up, read
from datapipe.text.hashing import xxh64
from datapipe.text.jit import U64, Int, Int32s, Int64s, Uint8s, Uint64s, inlined, kernel, pasted
from datapipe.text.reference import BREAK, KATAKANA, LETTER, SINGLE, SPACE
from datapipe.text.tables import CLOSING, GROUP, TERMINAL, WIDE_TERMINAL, Table

LINE_FEED, CARRIAGE_RETURN = 10, 13
SEED = U64(0)


# As numpy numbers: numba compiles a helper anew for each Python integer written in a call.
LINE, PARAGRAPH, SENTENCE = np.arange(3)


class SpanArrays(NamedTuple):
    """Room for spans of the three kinds.

    places: int32 (3 kinds, 3, n), start, end, length in characters; hashes: uint64 (3, n). bounds: int64 (6,
    documents), first and last of each kind; progress: int64 (4,), how many of each kind are used, documents done.
    """

    places: Int32s
    hashes: Uint64s
    bounds: Int64s
    progress: Int64s


@inlined
def _put(out: SpanArrays, kind: Int, data: Uint8s, place: tuple[int, int, int, int]) -> bool:
    """Store the span data[start:end] of a document that begins at `base`; False if there is no room."""
    base, start, end, length = place
    slot = out.progress[kind]
    _, room = out.hashes.shape
    if slot == room:
        return False
    out.places[kind, 0, slot] = start - base
    out.places[kind, 1, slot] = end - base
    out.places[kind, 2, slot] = length
    out.hashes[kind, slot] = xxh64(data, start, end, SEED)
    out.progress[kind] = slot + 1
    return True


@pasted
def _read_line(data: Uint8s, i: int, end: int, table: Table) -> tuple[int, int, int, int, int, int]:
    """The line at data[i]: start, end, then in characters before, within and in all (with its break); next line.

    A blank line has start == end.
    """
    start, stop, before, upto, characters = i, i, 0, 0, 0
    while i < end:
        point, width = read(data, i, end)
        group = look_up(table, point) & GROUP
        i += width
        characters += 1
        if group == BREAK:
            if point == CARRIAGE_RETURN and i < end and data[i] == LINE_FEED:
                i += 1
                characters += 1
            break
        if group != SPACE:
            if upto == 0:
                start, before = i - width, characters - 1
            stop, upto = i, characters
    if upto == 0:
        return start, start, 0, 0, characters, i
    return start, stop, before, upto - before, characters, i


@pasted
def _read_marks(data: Uint8s, i: int, end: int, table: Table) -> tuple[int, int, bool]:
    """Terminal marks and closing punctuation at data[i]: their end, how many, whether a full-width mark is in."""
    count, wide, wanted = 0, False, TERMINAL
    while i < end:
        point, width = read(data, i, end)
        entry = look_up(table, point)
        if not entry & wanted:
            if wanted == CLOSING or not entry & CLOSING:
                break
            wanted = CLOSING
        wide |= wanted == TERMINAL and entry & WIDE_TERMINAL != 0
        count += 1
        i += width
    return i, count, wide


@inlined
def _skip_spaces(data: Uint8s, i: int, end: int, table: Table) -> int:
    while i < end:
        point, width = read(data, i, end)
        if look_up(table, point) & GROUP != SPACE:
            break
        i += width
    return i


@pasted
def _read_sentence(data: Uint8s, i: int, end: int, table: Table) -> tuple[int, int]:
    """The sentence at data[i], in a line that ends at `end`: its end and length; length 0 if no word is left."""
    length, has_word = 0, False
    while i < end:
        point, width = read(data, i, end)
        entry = look_up(table, point)
        if not entry & TERMINAL:
            group = entry & GROUP
            has_word |= group == LETTER or group == SINGLE or group == KATAKANA  # noqa: PLR1714
            i += width
            length += 1
            continue
        i, marks, wide = _read_marks(data, i, end, table)
        length += marks
        if has_word and (wide or i == end or _skip_spaces(data, i, end, table) > i):
            return i, length
    return i, length if has_word else 0


@pasted
def _split_line(data: Uint8s, line: tuple[int, int, int], table: Table, out: SpanArrays) -> bool:
    """Store the sentences of the line (base, start, end); False if they do not fit."""
    base, i, end = line
    while i < end:
        stop, length = _read_sentence(data, i, end, table)
        if length and not _put(out, SENTENCE, data, (base, i, stop, length)):
            return False
        i = _skip_spaces(data, stop, end, table)
    return True


@pasted
def _split_document(data: Uint8s, document: tuple[int, int], table: Table, out: SpanArrays) -> bool:
    """Store the lines, paragraphs and sentences of data[base:end]; False if they do not fit."""
    base, end = document
    i, place = base, 0
    run_start, run_stop, run_from, run_upto = base, base, 0, 0  # the paragraph so far: bytes, characters
    while i < end or run_stop > run_start:
        start, stop, before, length, characters, i = _read_line(data, i, end, table)
        if length:
            line_fits = _put(out, LINE, data, (base, start, stop, length))
            if not line_fits or not _split_line(data, (base, start, stop), table, out):
                return False
            if run_stop == run_start:
                run_start, run_from = start, place + before
            run_stop, run_upto = stop, place + before + length
        elif run_stop > run_start:
            if not _put(out, PARAGRAPH, data, (base, run_start, run_stop, run_upto - run_from)):
                return False
            run_stop = run_start
        place += characters
    return True


@kernel
def find_lines(view: BytesView, table: Table, out: SpanArrays) -> None:
    """Fill in spans from where `out.progress` stands, until done or a document's spans do not fit."""
    for x in range(out.progress[3], len(view.starts)):
        for kind in range(3):
            out.bounds[2 * kind, x] = out.progress[kind]
        if not _split_document(view.data, (view.starts[x], view.ends[x]), table, out):
            for kind in range(3):
                out.progress[kind] = out.bounds[2 * kind, x]
            return
        for kind in range(3):
            out.bounds[2 * kind + 1, x] = out.progress[kind]
        out.progress[3] = x + 1
