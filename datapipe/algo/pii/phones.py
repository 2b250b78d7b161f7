"""Telephone numbers as presidio finds them: phonenumbers' matcher, for each of some regions.

Why: a full scan for each of eight regions is a fifth of presidio's time. Here the matcher sees clusters of digits only,
and of those only what a necessary condition lets through (`scan_phones`, `phone_shapes`); it is asked for the pieces
of a cluster, too, before the matcher parses them.
Costs half a millisecond for a cluster that can be a number; it is remembered as long as it is among the last 65,536.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
import phonenumbers

from datapipe.algo.pii.classes import LEAD, PHONE_DIGIT, PUNCTUATION, class_table
from datapipe.algo.pii.found import Found
from datapipe.algo.pii.phone_shapes import regions_of
from datapipe.algo.pii.recognisers import recogniser
from datapipe.algo.pii.scan_phones import MOST_DIGITS, MOST_LEAD, SIGNS

__all__ = ["REGIONS", "phones_of"]

REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")  # presidio's
VALID = 1  # phonenumbers' leniency, as presidio asks for
AFTER = 3  # characters behind a number that can take it back, such as the minutes of a time
KEPT = 1 << 16

# What is told by its groups of digits alone; other characters can mean an extension.
_SIMPLE = re.compile(r"[0-9 .,/()\[\]\-\u00a0\u2010-\u2015~xX#]+")
_GROUP = re.compile(r"[0-9]+")


def _is_simple(candidate: str) -> bool:
    return (
        len(candidate) < MOST_DIGITS
        and _SIMPLE.fullmatch(candidate) is not None
        and candidate.count("x") + candidate.count("X") < SIGNS
    )


@lru_cache(maxsize=KEPT)
def _possible(candidate: str, regions: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some regions of which the matcher could find a number; never too few."""
    if not _is_simple(candidate):
        return regions
    return regions_of(_GROUP.findall(candidate), regions)


@lru_cache(maxsize=KEPT)
def _is_number(candidate: str, region: str) -> bool:
    """Whether a candidate is a number of a region when nothing stands beside it, which could only forbid it."""
    alone = phonenumbers.PhoneNumberMatcher(candidate, region, leniency=VALID)
    return alone._parse_and_verify(candidate, 0) is not None  # noqa: SLF001 - what the matcher itself asks


class _Candidates(phonenumbers.PhoneNumberMatcher):
    """What phonenumbers' matcher would try, in order, if nothing were a number; the same for all regions."""

    def __init__(self, text: str) -> None:
        super().__init__(text, "ZZ", leniency=VALID)
        self.listed: list[tuple[int, str]] = []
        for _ in self:
            pass

    def _extract_match(self, candidate: str, offset: int) -> Any:
        self.listed.append((offset, candidate))


class _Matcher(phonenumbers.PhoneNumberMatcher):
    """Phonenumbers' matcher that starts at a place, and does not parse what cannot be a number."""

    def __init__(self, text: str, region: str, start: int) -> None:
        super().__init__(text, region, leniency=VALID)
        self._search_index = start
        self.alone = (region,)

    def _extract_match(self, candidate: str, offset: int) -> Any:
        return super()._extract_match(candidate, offset) if _possible(candidate, self.alone) else None

    def _parse_and_verify(self, candidate: str, offset: int) -> Any:
        if not _possible(candidate, self.alone) or not _is_number(candidate, self.alone[0]):
            return None
        return super()._parse_and_verify(candidate, offset)


@lru_cache(maxsize=KEPT)
def _in_window(window: str, before: int, regions: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Start and end of the numbers in a window that start before a place in it."""
    first: dict[str, int] = {}  # where a region's first number could be
    for start, candidate in _Candidates(window).listed:
        if start >= before or len(first) == len(regions):
            break
        for region in _possible(candidate, regions):
            first.setdefault(region, start)
    spans: dict[tuple[int, int], None] = {}
    for region, start in first.items():
        for match in _Matcher(window, region, start):
            if match.start < before:
                spans[match.start, match.end] = None
    return tuple(spans)


def _lead(text: str, start: int) -> int:
    """Where brackets and plus signs before digits begin; `start` if there are none."""
    table = class_table(mended=False)
    at, marked = start, False
    while at > max(0, start - MOST_LEAD):
        bits = int(table[ord(text[at - 1])])
        if bits & PHONE_DIGIT or not bits & (PUNCTUATION | LEAD):
            break
        marked |= bits & LEAD != 0
        at -= 1
    return at if marked else start


def phones_of(text: str, clusters: np.ndarray[Any, Any], regions: tuple[str, ...] = REGIONS) -> list[Found]:
    """Telephone numbers in clusters of digits, (n, 2) of start and end in characters."""
    who = recogniser("PHONE_NUMBER")
    score = float(who.whole.SCORE)
    found = []
    for start, end in clusters.tolist():
        first = _lead(text, start)
        stop = end + 1 if text[end : end + 1] == "#" else end
        if not _possible(text[first:stop], regions):
            continue
        low, high = max(0, first - 1), min(len(text), end + AFTER)
        for one, other in _in_window(text[low:high], end - low, regions):
            found.append(Found(who.entity, low + one, low + other, score, who.name))
    return found
