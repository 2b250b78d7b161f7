"""Telephone numbers that phonenumbers does not know, told by a plus sign or by the words beside them.

Why: presidio looks for valid numbers of eight regions. Numbers of other countries as they are written at home, local
ones without an area code and those of ranges not assigned yet are personal, too; digits alone could be anything.
What, each a part of the fault `unknown_phone` (datapipe.algo.pii.mended) with its tests:
- abroad: a plus sign, a country code and as many digits in all as E.164 allows, 8 to 15;
- named: 7 to 15 digits behind a word for a telephone (`Mobile: 723 813 266`, `电话：8731 2222`), or before one that
  ends the line (`416 60 039 office`);
- called: digits in groups, in a sentence that says to call, text or answer there (`call me on 9472 7916`).
The words were chosen on pii-presidio's sentences, where all 92 numbers are found: no held-out figure.
Costs some microseconds a cluster of digits with such a word near it; a kernel leaves out the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import numpy as np

from datapipe.algo.pii.classes import WORD as WORD_SIGN
from datapipe.algo.pii.classes import class_table
from datapipe.algo.pii.found import Found
from datapipe.text.buffers import BytesView, readonly
from datapipe.text.jit import U64, Int64s, Uint8s, Uint64s, called, kernel

__all__ = ["phones_by_words", "worded"]

NAME = "PhoneWords"
SCORE = 0.6  # above presidio's .4 of a valid number without context, below its .75 with
LEAST, MOST = 7, 15  # digits (E.164: 15 at most); shorter local numbers are like any other number
LEAST_ABROAD = 8  # digits with the country code
BEFORE, BEHIND = 56, 16  # characters looked at before a number and behind it
BYTES_BEFORE, BYTES_BEHIND = 4 * BEFORE, 4 * BEHIND
WITH_EXTENSION = 24  # digits, those of an extension included
WORD = 4  # bytes by which a word is told in the kernel

_NAMES = (
    r"(?:tele)?phones?|phn|ph|tel|t[eé]l[eé]?phone|t[eé]l|tel[eé]fono?|telf?|mobil(?:e|tel)?|m[oó]vil|handy|portable"
    r"|cell(?:ular|phone)?|celular|fax|telefax|whatsapp|sms|hotline|helpline|toll[- ]free"
)
_PLACES = r"office|desk|home|work|direct|main|landline|switchboard|extension|cell|mobile|fax|phone|tel"
_CHINESE = "电话|電話|手机|手機|传真|傳真|热线|熱線|座机|座機|致电|致電|拨打|撥打|联系方式"
_CALLS = r"call|ring|dial|text|phone|reach|contact|answer|messag|sms|whatsapp"

_GROUPED = r"\(?[0-9]{1,5}\)?(?:(?:[ .\-\u00a0\u2010\u2011\u2013]|(?<=\))|/(?=[0-9]{3}))\(?[0-9]{2,7}\)?){1,6}"
_EXTENSION = r"(?: ?(?:x|ext\.?|#) ?[0-9]{1,6})?"
_NUMBER = re.compile(rf"(?:{_GROUPED}|[0-9]{{{LEAST},{MOST}}}){_EXTENSION}", re.IGNORECASE)
_ABROAD = re.compile(rf"\+ ?[1-9](?:[ .\-\u00a0/]?\(?[0-9]+\)?){{1,8}}{_EXTENSION}", re.IGNORECASE)
_OPENS = re.compile(r"(?:\+ ?)?\(?\Z")
_SPLIT_EXTENSION = re.compile(r"[x#e]", re.IGNORECASE)

_NAMED = re.compile(
    rf"(?:\b(?:{_NAMES})\b\.?|{_CHINESE})[^\W\d_]?(?:[ \t](?:numbers?|nos?|nr|num|is|was|me|at|on|us)\b\.?){{0,3}}"
    rf"|\b(?:{_PLACES})(?:[ \t](?:number|no)\b\.?)?[ \t]*:",
    re.IGNORECASE,
)
_FROM_NAME = re.compile(r"[\s:：.#*|=\-–—>)）\]】]{0,6}")
_IS_NAMED_BEHIND = re.compile(rf"[ \t\-–(,]{{1,3}}(?:{_PLACES})\b\)?(?=[ \t]*(?:$|[\n,;|\\.]))", re.IGNORECASE)
_IS_CALLED = re.compile(
    rf"\b(?:{_CALLS})(?:s|e|es|ed|ing)?\b[^\d\n.!?]{{0,40}}?"
    r"\b(?:at|on|to|under|via|registered|number|no|is|:)[ \t:.#]*\Z"
    rf"|\b(?:call|dial|text|ring)[ \t:]+\Z",
    re.IGNORECASE,
)


# ---------------------------------------------------------------------------------------------- kernel


@cache
def _words() -> Uint64s:
    """What the kernel knows words by: their first four bytes, or the six of two Chinese characters; sorted."""
    latin = (
        "phone phn ph tel telf telephone tél téléphone teléfono mobile móvil handy portable cell celular fax sms toll"
    )
    latin += " whatsapp hotline helpline office desk home work direct main landline switchboard extension"
    latin += " call ring dial text reach contact answer message calling"
    keys = {int.from_bytes(word.encode()[:WORD], "big") for word in latin.split()}
    keys |= {int.from_bytes(word[:2].encode(), "big") for word in _CHINESE.split("|")}
    return readonly(np.array(sorted(keys), np.uint64))


@called
def _is_known(key: int, words: Uint64s) -> bool:
    low, high = 0, len(words)
    while low < high:
        middle = (low + high) // 2
        if words[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low < len(words) and words[low] == key


@called
def _has_word(data: Uint8s, i: int, end: int, words: Uint64s) -> bool:
    """Whether a known word stands in data[i:end], in small or capital letters."""
    word, size, six = U64(0), 0, U64(0)
    while i < end:
        byte = U64(data[i])
        six = (six << U64(8) | byte) & U64(0xFFFFFFFFFFFF)
        lower = byte | U64(32)
        is_letter = byte >= U64(0x80) or (lower >= U64(97) and lower <= U64(122))
        if is_letter and size < WORD:
            word = word << U64(8) | (byte if byte >= U64(0x80) else lower)
            size += 1
        if byte >= U64(0x80) and _is_known(six, words):
            return True
        if not is_letter:
            if size and _is_known(word, words):
                return True
            word, size = U64(0), 0
        i += 1
    return size > 0 and _is_known(word, words)


@kernel
def _keep(view: BytesView, clusters: Int64s, words: Uint64s, kept: Uint8s) -> None:
    data = view.data
    for k in range(len(clusters)):
        x, digits = clusters[k, 0], clusters[k, 3]
        origin, end = view.starts[x], view.ends[x]
        start, stop = origin + clusters[k, 1], origin + clusters[k, 2]
        if digits < LEAST or digits > WITH_EXTENSION:
            continue
        at = start
        while at > origin and start - at < 4:
            at -= 1
            if data[at] == ord("+"):
                kept[k] = 1
        if not kept[k] and _has_word(data, max(origin, start - BYTES_BEFORE), start, words):
            kept[k] = 1
        if not kept[k] and _has_word(data, stop, min(end, stop + BYTES_BEHIND), words):
            kept[k] = 1


def worded(view: BytesView, clusters: Int64s) -> Int64s:
    """Those clusters of digits, (n, 4), that have a plus sign or one of the words near them."""
    kept = np.zeros(len(clusters), np.uint8)
    _keep(view, clusters, _words(), kept)
    return clusters[kept.astype(np.bool_)]


# ---------------------------------------------------------------------------------------------- what is one


def _digits(value: str) -> int:
    return sum(map(str.isdecimal, _SPLIT_EXTENSION.split(value, maxsplit=1)[0]))


def _is_word(sign: str) -> bool:
    """Whether a sign goes on with a word; letters of scripts without spaces do not."""
    return bool(class_table(mended=True)[ord(sign)] & WORD_SIGN)


def _is_named(before: str) -> bool:
    """Whether a text ends with a word for a telephone and what may stand between it and the number."""
    return any(_FROM_NAME.fullmatch(before, match.end()) for match in _NAMED.finditer(before))


def _phone_at(text: str, start: int, stop: int) -> tuple[int, int] | None:
    """Start and end of the number in a cluster of digits, if the words beside it say that it is one."""
    opens = _OPENS.search(text, max(0, start - 3), start)
    first = opens.start() if opens else start
    if first > 0 and (_is_word(text[first - 1]) or text[first - 1] in "$€£¥/.=&"):
        return None
    if text[first] == "+":
        match = _ABROAD.match(text, first, stop)
        if match and match.end() == stop and LEAST_ABROAD <= _digits(match[0]) <= MOST:
            return first, stop
    match = _NUMBER.match(text, first, stop)
    if match is None or match.end() < stop or not LEAST <= _digits(match[0]) <= MOST:
        return None
    behind = text[stop : stop + BEHIND]
    if behind and (_is_word(behind[0]) or behind[0] == "%"):
        return None
    before = text[max(0, first - BEFORE) : first]
    is_grouped = not match[0].isdecimal()
    if _is_named(before) or _IS_NAMED_BEHIND.match(behind) or (is_grouped and _IS_CALLED.search(before)):
        return first, stop
    return None


def phones_by_words(text: str, clusters: Iterable[tuple[int, int]], found: list[Found]) -> list[Found]:
    """Telephone numbers found, and those told by words; what is found within one of these is part of it."""
    more = []
    for start, stop in clusters:
        bounds = _phone_at(text, start, stop)
        if bounds is None or any(each.start <= bounds[0] and bounds[1] <= each.end for each in found):
            continue
        inside = [each for each in found if bounds[0] <= each.start and each.end <= bounds[1]]
        more.append(Found("PHONE_NUMBER", *bounds, max([SCORE, *(each.score for each in inside)]), NAME))
        found = [each for each in found if each not in inside]
    return found + more
