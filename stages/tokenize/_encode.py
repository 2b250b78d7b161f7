"""Texts and conversations as tokens: cut in one go for a batch, put together by row, and held against what was said.

A sequence is a row of items: control tokens, and texts between them. Texts are cut by themselves where the assistant
begins to speak, for that is where a prompt ends at inference.
Costs what `tokenizers` takes for the batch, and a little for arrays.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stages.tokenize._tokenizer import AFTER, BEGIN, MIDDLE, Tokenizer
from stages.tokenize._turns import Rendered, Turn

__all__ = ["CONTROL", "IN_TEXT", "MASK", "TWICE", "UNCUT", "Items", "Tokens", "encode", "items_of", "items_of_text"]

CONTROL = -1  # place of an item that is a control token
FAILED = -1  # of a token: none could be made
SLICE = 1 << 20  # characters that are cut at once: what the package makes of them takes many times as much memory
IN_TEXT = "control_token_in_text"
TWICE = "doubled_special_token"
MASK = "mask_is_not_the_turn"
UNCUT = "tokenizer_fails"
PANIC = "PanicException"  # what the package raises where its own code gives up: no subclass of Exception

Ids = npt.NDArray[np.int32]


class Span(NamedTuple):
    """Items [start, end) of a sequence that carry loss, and the text that their tokens must be."""

    start: int
    end: int
    weight: float
    text: str


@dataclass(frozen=True)
class Items:
    """A sequence before it is cut: places (CONTROL, BEGIN, AFTER, MIDDLE), and ids or texts. `spans`: None for text."""

    places: list[int]
    values: list[Any]
    spans: list[Span] | None = None


@dataclass(frozen=True)
class Tokens:
    """A sequence: ids, stretches [start, end) with their weights (None: all carry loss), and what is wrong with it."""

    ids: Ids
    spans: list[tuple[int, int, float]] | None
    unknown: int
    fault: str | None


def items_of_text(text: str, begin: int | None, end: int | None) -> Items:
    """A text between its first and last token, where it has such."""
    places, values = [BEGIN] if text else [], [text] if text else []
    before, after = [] if begin is None else [begin], [] if end is None else [end]
    return Items([*[CONTROL] * len(before), *places, *[CONTROL] * len(after)], [*before, *values, *after])


def items_of(rendered: Rendered, tokenizer: Tokenizer, begin: int | None) -> Items:
    """A conversation as items. `begin`: put first, unless the template has written it."""
    opened = bool(rendered.turns) and not rendered.turns[-1].closed
    text = rendered.text[: rendered.turns[-1].end] if opened else rendered.text
    starts, places, values = list[int](), list[int](), list[Any]()

    def put(start: int, place: int, value: Any) -> None:
        starts.append(start)
        places.append(place)
        values.append(value)

    at, cuts = 0, [turn.start for turn in rendered.turns]
    for start, end, token in (*rendered.controls, (len(text), len(text), None)):
        bounds = [at, *(cut for cut in cuts if at < cut < start), start]
        for low, high in pairwise(bounds):
            if low < high:
                put(low, MIDDLE if low > at else AFTER if at else BEGIN, text[low:high])
        if token is not None:
            put(start, CONTROL, token)
            at = end
    if opened:
        put(len(text), CONTROL, tokenizer.token("eos_token"))
    spans = [_span(turn, rendered.text, starts, tokenizer) for turn in rendered.turns]
    if begin is not None and values[:1] != [begin]:
        shifted = [span._replace(start=span.start + 1, end=span.end + 1) for span in spans]
        return Items([CONTROL, *places], [begin, *values], shifted)
    return Items(places, values, spans)


def _span(turn: Turn, text: str, starts: list[int], tokenizer: Tokenizer) -> Span:
    first = bisect_left(starts, turn.start)
    if turn.closed:
        return Span(first, bisect_left(starts, turn.end), turn.weight, text[turn.start : turn.end])
    return Span(first, len(starts), turn.weight, text[turn.start : turn.end] + tokenizer.specials["eos_token"])


# ---------------------------------------------------------------------------------------------- a batch


def encode(rows: Sequence[Items], tokenizer: Tokenizer) -> list[Tokens]:
    """The tokens of some sequences, each held against what must be trained of it."""
    places = np.fromiter(chain.from_iterable(row.places for row in rows), np.int64)
    values = list(chain.from_iterable(row.values for row in rows))
    lengths = np.ones(len(places), np.int64)
    cut: dict[int, tuple[Any, Ids]] = {}
    for place in (BEGIN, AFTER, MIDDLE):
        at = np.flatnonzero(places == place)
        lengths[at], ids = _cut([values[one] for one in at], tokenizer.cutters[place])
        cut[place] = at, ids
    ends = np.cumsum(lengths)
    starts = ends - lengths
    flat = np.empty(int(lengths.sum()), np.int32)
    written = np.flatnonzero(places == CONTROL)
    flat[starts[written]] = [values[one] for one in written]
    said = np.ones(len(flat), np.bool_)
    said[starts[written]] = False
    for at, ids in cut.values():
        own = np.cumsum(lengths[at]) - lengths[at]
        flat[np.arange(len(ids)) + np.repeat(starts[at] - own, lengths[at])] = ids
    bounds = np.append(starts, len(flat))
    firsts = np.cumsum([0, *(len(row.places) for row in rows)])
    whole = _Whole(flat, _faults(flat, said, tokenizer), flat == tokenizer.unknown)
    return _checked(
        [_tokens(row, whole, bounds[low : high + 1]) for row, low, high in zip(rows, firsts, firsts[1:], strict=False)],
        rows,
        tokenizer,
    )


def _cut(texts: list[str], cutter: Any) -> tuple[Any, Ids]:
    """How many tokens each text has, and all of them; texts that stand there twice are cut once."""
    if not texts:
        return [], np.zeros(0, np.int32)
    numbers: dict[str, int] = {}
    order = np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), np.int64, len(texts))
    made = list(_cut_some(list(numbers), cutter))
    counts = np.fromiter(map(len, made), np.int64, len(made))
    flat = np.fromiter(chain.from_iterable(made), np.int32, int(counts.sum()))
    if len(made) == len(texts):
        return counts, flat
    lengths, firsts = counts[order], (np.cumsum(counts) - counts)[order]
    own = np.cumsum(lengths) - lengths
    return lengths, flat[np.arange(int(lengths.sum())) + np.repeat(firsts - own, lengths)]


def _cut_some(texts: list[str], cutter: Any) -> Iterator[list[int]]:
    """Tokens of each text; some texts at a time. [FAILED] of a text that the package gives up on."""
    size, first = 0, 0
    for at, text in enumerate(texts):
        size += len(text)
        if size >= SLICE or at == len(texts) - 1:
            yield from _cut_at_once(texts[first : at + 1], cutter)
            size, first = 0, at + 1


def _cut_at_once(texts: list[str], cutter: Any) -> list[list[int]]:
    try:
        return [each.ids for each in cutter.encode_batch_fast(texts, add_special_tokens=False)]
    except BaseException as error:
        if type(error).__name__ != PANIC and not isinstance(error, Exception):
            raise
    if len(texts) == 1:
        return [[FAILED]]
    return [ids for text in texts for ids in _cut_at_once([text], cutter)]


class _Whole(NamedTuple):
    """The tokens of a batch; where text has become a control token, or a special one stands twice; unknown ones."""

    ids: Ids
    faults: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
    unknown: npt.NDArray[np.bool_]


def _faults(flat: Ids, said: Any, tokenizer: Tokenizer) -> tuple[Any, Any]:
    control = np.array(sorted(set(tokenizer.control.values()) - {tokenizer.unknown}), np.int32)
    first = tokenizer.token("bos_token")
    twice = np.zeros(len(flat), np.bool_)
    if first is not None:
        twice[1:] = ~said[1:] & (flat[1:] == first) & (flat[:-1] == first)
    return said & np.isin(flat, control), twice


def _tokens(row: Items, whole: _Whole, bounds: Any) -> Tokens:
    """One sequence; `bounds`: where its items begin, and where the last ends."""
    low, high = int(bounds[0]), int(bounds[-1])
    inside, twice = whole.faults
    if (whole.ids[low:high] == FAILED).any():
        return Tokens(whole.ids[low:high], None, 0, UNCUT)
    fault = IN_TEXT if inside[low:high].any() else TWICE if twice[low + 1 : high].any() else None
    spans = None
    if row.spans is not None:
        spans = [(int(bounds[span.start]) - low, int(bounds[span.end]) - low, span.weight) for span in row.spans]
    return Tokens(whole.ids[low:high], spans, int(whole.unknown[low:high].sum()), fault)


# ---------------------------------------------------------------------------------------------- the mask gate


def _checked(found: list[Tokens], rows: Sequence[Items], tokenizer: Tokenizer) -> list[Tokens]:
    """A fault where what is trained does not read as the assistant's turns."""
    for at, (row, each) in enumerate(zip(rows, found, strict=True)):
        for (low, high, _), span in zip(each.spans or (), row.spans or (), strict=True):
            if not _reads(each.ids, (low, high), span.text, tokenizer):
                found[at] = replace(found[at], fault=found[at].fault or MASK)
    return found


def _reads(ids: Ids, at: tuple[int, int], text: str, tokenizer: Tokenizer) -> bool:
    """Whether the bytes of the tokens are those of a text, or what they decode to is like it."""
    low, high = at
    cut = ids[low:high].tolist()
    if tokenizer.bytes and b"".join(map(tokenizer.bytes.__getitem__, cut)) == text.encode():
        return True
    decoded = tokenizer.whole.decode(cut, skip_special_tokens=False)
    return _alike(decoded, text) or _alike(_in_place(ids, low, high, tokenizer), text)


def _in_place(ids: Ids, low: int, high: int, tokenizer: Tokenizer) -> str:
    """What tokens read as behind the one before them: some tokenizers drop a space at the start."""
    before = tokenizer.whole.decode(ids[max(0, low - 1) : low].tolist(), skip_special_tokens=False)
    text: str = tokenizer.whole.decode(ids[max(0, low - 1) : high].tolist(), skip_special_tokens=False)
    return text[len(before) :]


def _alike(decoded: str, text: str) -> bool:
    """The same, but for how accents are composed, which tokenizers may unify, and blanks at the end."""
    return decoded == text or _form(decoded) == _form(text)


def _form(text: str) -> str:
    return unicodedata.normalize("NFC", text).rstrip()
