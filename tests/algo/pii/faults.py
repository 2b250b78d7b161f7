"""How the default mode differs from presidio: each difference is of a listed fault, told from the text alone.

Judged beside the code that mends: by what stands in and next to a span, not by which rule made it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from datapipe.algo.pii.classes import spaceless
from datapipe.algo.pii.finder import find
from datapipe.algo.pii.found import FAST, Found
from datapipe.algo.pii.mended import find_mended
from datapipe.algo.pii.phones import REGIONS

UNLISTED = "unlisted"
MORE_CARD = re.compile(r"2[2-7]|2131|1800|5[0678]|6[37]|9|[3-6]")
BEFORE_VERSION = re.compile(
    r"(?:v|ver|version|release|build|firmware|section)[. ]{0,2}$|[a-z]/$|[0-9]\.$", re.IGNORECASE
)
AFTER_VERSION = re.compile(r"\.[0-9]|-?(?:alpha|beta|rc)[0-9]", re.IGNORECASE)

PHONE_WORD = re.compile(
    r"phone|\btel|t[ée]l\b|t[ée]l[ée]|mobil|cell|call|ring|dial|text|fax|desk|office|home|work|number|contact|reach|answer"
    r"|messages?|sms|whatsapp|handy|rufen|appel|llam|电话|手机|致电|传真|热线|拨打|联系",
    re.IGNORECASE,
)

Key = tuple[str, int, int]


def _keys(found: list[Found]) -> set[Key]:
    return {(each.entity, each.start, each.end) for each in found if each.score >= 0.4}


def _touches(text: str, key: Key) -> bool:
    """Whether a letter of a script without spaces stands beside a span, or in it."""
    near = text[max(0, key[1] - 1) : key[2] + 1].encode("utf-32-le", "surrogatepass")
    return bool(spaceless(np.frombuffer(near, np.uint32)).any())


def _overlap(one: Key, others: set[Key]) -> bool:
    return any(one[0] == other[0] and one[1] < other[2] and other[1] < one[2] for other in others)


def _of_more(text: str, key: Key) -> str:  # noqa: PLR0911 - one for each fault
    """The fault by which the default mode has a span that presidio lacks."""
    entity, start, end = key
    value = text[start:end]
    if entity == "PHONE_NUMBER":
        around = text[max(0, start - 60) : start] + " " + text[end : end + 30]
        return "unknown_phone" if value.lstrip("(").startswith("+") or PHONE_WORD.search(around) else UNLISTED
    if entity == "EMAIL_ADDRESS":
        if text[max(0, start - 1) : start] in set("/?=&|`*{}$^~'_"):
            return "url"
        if re.match(r"[_0-9A-Za-z-]", text[end : end + 1]):
            return "joined_end"
        if text[end : end + 1] == ".":
            return "sentence_end"
        if re.search(
            r"\.(?:example|test|invalid|local\w*|int\w+|lan|home|corp|private|onion|alt)$", value, re.IGNORECASE
        ):
            return "own_network"
    if entity == "CRYPTO" and value.startswith("BC1"):
        return "upper_case_wallet"
    if _touches(text, key):
        return "lost_by_neighbours"
    if entity == "CREDIT_CARD" and MORE_CARD.match(value):
        return "other_card"
    return UNLISTED


def _of_less(text: str, key: Key, ours: set[Key]) -> str:
    """The fault by which presidio has a span that the default mode lacks."""
    entity, start, end = key
    value = text[start:end]
    digits = sum(map(str.isdecimal, value))
    if entity == "IP_ADDRESS" and (
        value == "::" or BEFORE_VERSION.search(text[max(0, start - 12) : start]) or AFTER_VERSION.match(text, end)
    ):
        return "version"
    if entity == "PHONE_NUMBER" and _overlap(key, ours):
        return "unknown_phone"
    if entity == "PHONE_NUMBER" and (digits < 7 or re.search(r"(?:19|20)\d\d|^1\d{9}(?:\d{3})?$|\.\d+\.\d+\.", value)):
        return "no_phone"
    if entity == "EMAIL_ADDRESS" and _overlap(key, ours):
        return "url"
    if _touches(text, key):
        return "lost_by_neighbours"
    return UNLISTED


def faults(texts: list[str]) -> Iterator[tuple[str, Key]]:
    """The fault of each span that only one of the two has, and the span; scores of at least .4."""
    array = pa.array(texts, pa.large_string())
    entities = tuple(FAST)
    mended = find_mended(array, entities, REGIONS, public_only=False)
    faithful = find(array, entities, REGIONS)
    for row, text in enumerate(texts):
        ours, theirs = _keys(mended.get(row, [])), _keys(faithful.get(row, []))
        yield from ((_of_more(text, key), key) for key in sorted(ours - theirs))
        yield from ((_of_less(text, key, ours), key) for key in sorted(theirs - ours))


def counted(texts: list[str]) -> Counter[str]:
    """How many spans differ by each fault."""
    return Counter(fault for fault, _ in faults(texts))
