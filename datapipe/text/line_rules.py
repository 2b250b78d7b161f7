"""Which lines of a text C4's rules keep, and the text without the others.

A line is judged by what it ends in, by its words (those of the segmentation: of scripts without spaces a character
is a word), and by phrases in it. Marks of citations (`[3]`, `[edit]`, `[citation needed]`) are taken out first.
Source: Raffel et al. 2020 (C4), section 2.2.
Costs: 215 MB/s of English and of Chinese after the segmentation; as much memory as the texts for what is kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.text import tables
from datapipe.text.buffers import BytesView, Texts, as_one_array, readonly, texts_of, view_bytes
from datapipe.text.jit import U64, Int32s, Int64s, Uint8s, Uint64s, inlined, kernel, pasted
from datapipe.text.line_shape import ends_well
from datapipe.text.reference import AFTER_SPACE, IS_WORD
from datapipe.text.segmentation import Segmentation, Spans
from datapipe.text.tables import Table

CITATIONS = ("edit]", "citation needed]")
OPENING, CLOSING_BRACKET, BRACE, SPACE, LINE_FEED = (ord(mark) for mark in "[]{ \n")
FULL_STOP = ord(".")
NONE = U64(0)
# What becomes of a line.
KEPT, LONG_WORD, NO_TERMINAL, FEW_WORDS, SCRIPT, POLICY = range(6)
# Bits of what phrases are found in a line.
LOREM_IPSUM, SCRIPTING, POLICIES, BRACES = 1, 2, 4, 8
# Rows of the counts: lines by what became of them, then of a document.
SENTENCES, LOREM, BRACED = range(6, 9)
COUNTS = 9


class _Places(NamedTuple):
    first: Int64s
    last: Int64s
    start: Int32s
    end: Int32s


class _Tokens(NamedTuple):
    first: Int64s
    last: Int64s
    start: Int32s
    length: Int32s
    kinds: Uint8s


class _Phrases(NamedTuple):
    """data: uint8, all phrases in lower case, sorted; starts: int64 (n + 1,); bits: uint8 (n,).

    opens: int32 (256,), for each byte the number (from 1) of the first phrase that begins with it; 0 if none does.
    begins, goes_on: uint64 (256,), for each byte the phrases whose first or second byte it may be, phrase p as bit
    p % 64.
    """

    data: Uint8s
    starts: Int64s
    bits: Uint8s
    opens: Int32s
    begins: Uint64s
    goes_on: Uint64s


class _Limits(NamedTuple):
    """Words a line has at least, characters a word has at most (0 is off), whether a line must end well.

    peer: whether lines are judged as datatrove does.
    """

    words: int
    length: int
    terminal: int
    peer: int


def _phrases(kinds: dict[int, Sequence[str]]) -> _Phrases:
    each = sorted((phrase.lower().encode(), bit) for bit, phrases in kinds.items() for phrase in phrases if phrase)
    opens = np.zeros(256, np.int32)
    begins, goes_on = np.zeros((2, 256), np.uint64)
    for number, (phrase, _) in reversed(list(enumerate(each, 1))):
        opens[[phrase[0], *phrase[:1].upper()]] = number
        bit = np.uint64(1 << number % 64)
        begins[[phrase[0], *phrase[:1].upper()]] |= bit
        goes_on[[*phrase[1:2], *phrase[1:2].upper()] if len(phrase) > 1 else slice(None)] |= bit
    return _Phrases(
        readonly(np.frombuffer(b"".join(phrase for phrase, _ in each) or b"\0", np.uint8)),
        readonly(np.cumsum([0, *(len(phrase) for phrase, _ in each)])),
        readonly(np.array([bit for _, bit in each], np.uint8)),
        readonly(opens),
        readonly(begins),
        readonly(goes_on),
    )


_CITATIONS = _phrases({1: CITATIONS})


@inlined
def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


@pasted
def _stands_at(data: Uint8s, i: int, end: int, phrase: tuple[Uint8s, int, int]) -> bool:
    """Whether a phrase stands at data[i], whatever the case of its ASCII letters."""
    letters, first, last = phrase
    same = end - i >= last - first
    k = first
    while same and k < last:
        same = _lower(data[i + k - first]) == letters[k]
        k += 1
    return same


@pasted
def _found(data: Uint8s, i: int, end: int, phrases: _Phrases) -> int:
    """Bits of all phrases, and of a brace, in data[i:end]."""
    bits, following = 0, data[i]
    while i < end:
        byte, following = following, data[i + 1] if i + 1 < end else LINE_FEED
        if byte == BRACE:
            bits |= BRACES
        if phrases.begins[byte] & phrases.goes_on[following] == NONE:  # nearly always
            i += 1
            continue
        p = phrases.opens[byte] - 1
        while 0 <= p < len(phrases.bits) and phrases.data[phrases.starts[p]] == _lower(byte):
            here = (phrases.data, phrases.starts[p], phrases.starts[p + 1])
            if not bits & phrases.bits[p] and _stands_at(data, i, end, here):
                bits |= phrases.bits[p]
            p += 1
        i += 1
    return bits


@inlined
def _citation(data: Uint8s, i: int, end: int, marks: _Phrases) -> int:
    """Bytes of the citation mark at data[i]; 0 if there is none."""
    if data[i] != OPENING:
        return 0
    j = i + 1
    while j < end and 48 <= data[j] <= 57:
        j += 1
    if j < end and data[j] == CLOSING_BRACKET:
        return j + 1 - i
    for p in range(len(marks.bits)):
        first, last = marks.starts[p], marks.starts[p + 1]
        if end - i - 1 >= last - first:
            same = True
            for k in range(first, last):
                same &= data[i + 1 + k - first] == marks.data[k]
            if same:
                width: int = last - first + 1
                return width
    return 0


@pasted
def _last_kept(data: Uint8s, place: tuple[int, int], marks: _Phrases, spaces: int) -> int:
    """Where data[i:end] ends without the citation marks, and the spaces unless `spaces` stay, at its end."""
    i, end = place
    if data[end - 1] != CLOSING_BRACKET:  # a line does not end in spaces
        return end
    upto = i
    while i < end:
        width = _citation(data, i, end, marks)
        if width:
            i += width
            continue
        i += 1
        if spaces or data[i - 1] != SPACE:
            upto = i
    return upto


@inlined
def _ends_plainly(byte: int) -> bool:
    """Whether it is one of datatrove's marks: full stop, question, exclamation or quotation mark, apostrophe."""
    return byte == 46 or byte == 63 or byte == 33 or byte == 34 or byte == 39  # noqa: PLR1714 - faster than a tuple


@pasted
def _flag(counts: Int64s, bits: int, fate: int, peer: int) -> None:
    """Note what makes a document leave: anywhere in it, or for datatrove the first in a line that gets so far."""
    if not peer:
        counts[LOREM] |= (bits & LOREM_IPSUM) != 0
        counts[BRACED] |= (bits & BRACES) != 0
    elif fate in (KEPT, SCRIPT, POLICY) and counts[LOREM] + counts[BRACED] == 0:
        if bits & LOREM_IPSUM:
            counts[LOREM] = 1
        elif bits & BRACES and fate != SCRIPT:
            counts[BRACED] = 1


@pasted
def _judge_line(
    view: BytesView, line: tuple[int, int, int, int], rules: tuple[_Limits, _Phrases, _Phrases, Table], bits: int
) -> int:
    """What becomes of a line (start, end, words, longest word); `bits` are the phrases in it."""
    start, end, words, longest = line
    limits, _, marks, table = rules
    if limits.length and longest > limits.length:
        return LONG_WORD
    if limits.terminal:
        upto = _last_kept(view.data, (start, end), marks, limits.peer)
        if upto == start:
            return NO_TERMINAL
        if not (_ends_plainly(view.data[upto - 1]) if limits.peer else ends_well(view.data, start, upto, table)):
            return NO_TERMINAL
        stops = upto - start >= 3 and view.data[upto - 1] == FULL_STOP
        if stops and view.data[upto - 2] == FULL_STOP and view.data[upto - 3] == FULL_STOP:
            return NO_TERMINAL
    if words < limits.words:
        return FEW_WORDS
    if bits & SCRIPTING:
        return SCRIPT
    return POLICY if bits & POLICIES else KEPT


@kernel
def _judge(
    view: BytesView,
    pieces: tuple[_Places, _Tokens, _Places],
    rules: tuple[_Limits, _Phrases, _Phrases, Table],
    out: tuple[Uint8s, Int64s],
) -> None:
    """Fill in what becomes of each line, uint8 (lines), and counts int64 (documents, COUNTS)."""
    lines, tokens, sentences = pieces
    fates, counts = out
    peer = rules[0].peer
    starts = AFTER_SPACE if peer else IS_WORD  # datatrove's words are what stands between spaces
    at = 0
    for x in range(len(view.starts)):
        token, sentence = tokens.first[x], sentences.first[x]
        for line in range(lines.first[x], lines.last[x]):
            words, longest, inside, unit = 0, 0, 0, 0
            while token < tokens.last[x] and tokens.start[token] < lines.end[line]:
                if tokens.kinds[token] & starts:
                    words += 1
                    unit = 0
                unit += tokens.length[token] if peer or tokens.kinds[token] & IS_WORD else 0
                longest = max(longest, unit)
                unit = unit if peer else 0
                token += 1
            while sentence < sentences.last[x] and sentences.start[sentence] < lines.end[line]:
                inside += 1
                sentence += 1
            start, end = view.starts[x] + lines.start[line], view.starts[x] + lines.end[line]
            bits = _found(view.data, start, end, rules[1])
            fate = _judge_line(view, (start, end, words, longest), rules, bits)
            fates[at] = fate
            at += 1
            counts[x, fate] += 1
            _flag(counts[x], bits, fate, peer)
            if fate == KEPT:
                counts[x, SENTENCES] += inside


@kernel
def _write(view: BytesView, lines: _Places, marks: tuple[_Phrases, Uint8s], out: tuple[Uint8s, Int64s]) -> None:
    """Put the lines that are kept, without citation marks, into a buffer; offsets int64 (documents + 1)."""
    citations, fates = marks
    data, offsets = out
    to, at = 0, 0
    for x in range(len(view.starts)):
        for line in range(lines.first[x], lines.last[x]):
            fate = fates[at]
            at += 1
            if fate != KEPT:
                continue
            if to > offsets[x]:
                data[to] = LINE_FEED
                to += 1
            i, end = view.starts[x] + lines.start[line], view.starts[x] + lines.end[line]
            marked = False
            for k in range(i, end):
                marked |= view.data[k] == OPENING
            if not marked:
                for k in range(end - i):
                    data[to + k] = view.data[i + k]
                to += end - i
                continue
            while i < end:
                width = _citation(view.data, i, end, citations)
                if width:
                    i += width
                else:
                    data[to] = view.data[i]
                    to += 1
                    i += 1
        offsets[x + 1] = to


def _sentences_of_lines(texts: pa.LargeStringArray) -> Int64s:
    """Sentences of each text, at least one for each line."""
    pieces, starts = Segmentation.of(texts), view_bytes(texts).starts
    lines, sentences = pieces.lines, pieces.sentences
    document = np.repeat(np.arange(len(texts)), lines.per_document())
    begins = np.repeat(starts, sentences.per_document()) + sentences.start
    inside = np.searchsorted(begins, starts[document] + lines.end) - np.searchsorted(
        begins, starts[document] + lines.start
    )
    return np.bincount(document, np.maximum(inside, 1), len(texts)).astype(np.int64)


def _places(spans: Spans) -> _Places:
    return _Places(spans.first, spans.last, spans.start, spans.end)


def kept_lines(
    texts: Texts,
    segmentation: Segmentation,
    *,
    min_words: int = 3,
    max_word_length: int | None = 1000,
    terminal: bool = True,
    policies: Sequence[str] = (),
    peer: bool = False,
) -> tuple[pa.LargeStringArray, dict[str, np.ndarray]]:
    """The texts with the lines that C4 keeps (large_string), and for each text counts, int32.

    kept, long_word, no_terminal, few_words, script, policy (lines by what became of them); sentences (in lines kept);
    lorem_ipsum, brace (1 if the phrase, or `{`, stands anywhere). A text without lines becomes empty, null stays null.
    `peer`: as datatrove does. Words are what stands between spaces, the marks . ? ! " ' end a line, spaces before a
    citation stay, sentences are those of the text without citations (at least one a line), and the phrase and `{`
    count in lines that earlier rules let pass, whichever comes first.
    """
    view, words = view_bytes(texts), segmentation.words
    lines, count = _places(segmentation.lines), len(segmentation)
    tokens = _Tokens(words.first, words.last, words.start, words.length, words.kind)
    limits = _Limits(min_words, max_word_length or 0, int(terminal), int(peer))
    phrases = _phrases({LOREM_IPSUM: ("lorem ipsum",), SCRIPTING: ("javascript",), POLICIES: policies})
    counts = np.zeros((count, COUNTS), np.int64)
    fates = np.zeros(int(segmentation.lines.per_document().sum()), np.uint8)
    pieces = (lines, tokens, _places(segmentation.sentences))
    _judge(view, pieces, (limits, phrases, _CITATIONS, tables.load().folded), (fates, counts))
    data = np.empty(int((view.ends - view.starts).sum()), np.uint8)
    offsets = np.zeros(count + 1, np.int64)
    _write(view, lines, (_CITATIONS, readonly(fates)), (data, offsets))
    kept = texts_of(data, offsets, as_one_array(texts))
    if peer:
        counts[:, SENTENCES] = _sentences_of_lines(kept)
    names = ("kept", "long_word", "no_terminal", "few_words", "script", "policy", "sentences", "lorem_ipsum", "brace")
    return kept, {name: counts[:, i].astype(np.int32) for i, name in enumerate(names)}
