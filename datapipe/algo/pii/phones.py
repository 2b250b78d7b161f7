"""Telephone numbers as presidio finds them: phonenumbers' matcher, for each of some regions.

Why: a full scan for each of eight regions is a fifth of presidio's time. Here the matcher sees clusters of digits only,
and of those only what a necessary condition lets through: some groups of digits that follow one another make, with
or without the country code and the prefixes that are dialled before, a number of some type of the region.
Costs 10 to 30 microseconds for a cluster that cannot be a number, a millisecond for one that can; both are remembered
as long as they are among the last 65,536.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
import phonenumbers
from phonenumbers import PhoneMetadata

from datapipe.algo.pii.classes import LEAD, PHONE_DIGIT, PUNCTUATION, class_table
from datapipe.algo.pii.found import Found
from datapipe.algo.pii.recognisers import recogniser

__all__ = ["REGIONS", "phones_of"]

REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")  # presidio's
VALID = 1  # phonenumbers' leniency, as presidio asks for
MOST_LEAD = 12  # characters of brackets, plus signs and punctuation that can begin a number
AFTER = 3  # characters behind a number that can take it back, such as the minutes of a time
SHORT = 6  # digits; most groups of digits in texts are years, prices and pages
NOTHING = r"(?!)"
LONGEST = 20  # digits of any number with all its prefixes
MOST_DIGITS = 400  # the matcher cuts longer runs into pieces, so that groups say nothing
LEAST, LEAST_ABROAD = 4, 8  # digits of any number, and of one of another country with what is dialled before
KEPT = 1 << 16

# What is told by its groups of digits alone; other characters can mean an extension.
_SIMPLE = re.compile(r"[0-9 .,/()\[\]\-\u00a0\u2010-\u2015~xX#]+")
_GROUP = re.compile(r"[0-9]+")
_TYPES = ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number", "uan", "pager")
_CARRIER = re.compile(r"\(\\d\{[0-9,]+\}\)")


class _Numbers(NamedTuple):
    """What digits of a region's numbers look like, and what is dialled before one of another country.

    `national` is None where the prefix rewrites the number: anything may be one.
    """

    national: re.Pattern[str] | None
    abroad: re.Pattern[str] | None


def _shape(metadata: Any, most: int) -> str:
    """Pattern of all numbers of a region, of any type that has some of no more digits, with what may stand before."""
    types = []
    for name in (*_TYPES, "voicemail"):
        kind = getattr(metadata, name)
        if kind is not None and kind.national_number_pattern and kind.possible_length and kind.possible_length[0] > 0:
            shortest, longest = min(kind.possible_length), max(kind.possible_length)
            if shortest > most:
                continue
            types.append(rf"(?=\d{{{shortest},{longest}}}$)(?:{kind.national_number_pattern})$")
    prefix = metadata.national_prefix_for_parsing or metadata.national_prefix or ""
    prefix = _CARRIER.sub("", prefix).replace("$", "")
    if not types:
        return ""
    return f"(?:{prefix})?(?:{metadata.country_code})?(?:{prefix})?(?:{prefix})?(?:{'|'.join(types)})"


@cache
def _numbers(region: str, most: int) -> _Numbers:
    """Of numbers that `most` digits are enough for: short groups are the most frequent, and few regions have any."""
    own: Any = PhoneMetadata.metadata_for_region(region)
    abroad = re.compile(own.international_prefix) if own.international_prefix else None
    if own.national_prefix_transform_rule not in (None, r"\2"):  # r"\2": a carrier's code goes, which the shape knows
        return _Numbers(None, abroad)
    all_regions: list[Any] = [PhoneMetadata.metadata_for_region(each) for each in phonenumbers.SUPPORTED_REGIONS]
    siblings = [each for each in all_regions if each.country_code == own.country_code]
    shapes = [f"(?:{shape})" for each in siblings if (shape := _shape(each, most))]
    return _Numbers(re.compile("|".join(shapes) or NOTHING), abroad)


@cache
def _any(regions: tuple[str, ...], most: int) -> re.Pattern[str] | None:
    """Pattern of digits that any of some regions could have; None if one of them could have all."""
    shapes = [_numbers(region, most) for region in regions]
    if any(shape.national is None for shape in shapes):
        return None
    patterns = dict.fromkeys(each.pattern for shape in shapes for each in shape if each is not None)
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


def _fits(digits: str, shape: _Numbers) -> bool:
    if shape.national is None or shape.national.match(digits):
        return True
    return shape.abroad is not None and len(digits) >= LEAST_ABROAD and shape.abroad.match(digits) is not None


@lru_cache(maxsize=KEPT)
def _regions_of_digits(digits: str, regions: tuple[str, ...]) -> tuple[str, ...]:
    most = SHORT if len(digits) <= SHORT else LONGEST
    known = _any(regions, most)
    if known is not None and not known.match(digits):
        return ()
    return tuple(region for region in regions if _fits(digits, _numbers(region, most)))


def _runs(candidate: str) -> Iterator[str]:
    """Digits of groups that follow one another, four at least."""
    groups = _GROUP.findall(candidate)
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) > LONGEST:
                break
            if len(digits) >= LEAST:
                yield digits


def _is_simple(candidate: str) -> bool:
    return (
        len(candidate) < MOST_DIGITS
        and _SIMPLE.fullmatch(candidate) is not None
        and candidate.count("x") + candidate.count("X") < 3
    )


@lru_cache(maxsize=KEPT)
def _possible(candidate: str, regions: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some regions of which the matcher could find a number; never too few."""
    if not _is_simple(candidate):
        return regions
    found: set[str] = set()
    for digits in _runs(candidate):
        found.update(_regions_of_digits(digits, regions))
    return tuple(region for region in regions if region in found)


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
