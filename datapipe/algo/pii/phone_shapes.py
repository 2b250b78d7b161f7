"""What the digits of telephone numbers look like, region by region, as automata.

What: a necessary condition for what phonenumbers finds at its leniency `VALID`, from its own metadata. Digits can be a
number of a region if they are one of some type, behind the prefix that is dialled at home, the country code, or the
prefix that is dialled for abroad and any country code; without the first only if no format asks for it.
Costs half a second for eight regions, once a process; a walk some nanoseconds a digit.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import phonenumbers
from phonenumbers import PhoneMetadata
from phonenumbers.phonenumberutil import _formatting_rule_has_first_group_only as rule_is_first_group

from datapipe.algo.pii.automaton import (
    ANYTHING,
    NOTHING,
    Language,
    Unreadable,
    all_of,
    any_of,
    automaton,
    but_not,
    maybe,
    read,
    then,
)
from datapipe.text.buffers import readonly
from datapipe.text.jit import Int32s, Int64s, Uint8s

__all__ = ["LEAST", "LONGEST", "Walks", "regions_of", "walks"]

LEAST = 4  # digits of any number
ZERO = 48  # the character 0
LONGEST = 20  # digits of any number with all its prefixes
KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number", "uan", "pager"),
    "voicemail",
)
_CARRIER = re.compile(r"\(\\d\{[0-9,]+\}\)")


class Walks(NamedTuple):
    """Automata in one table, that of numbers with `+` first.

    `follow` (states, 10) is the next state by digit or -1, `ends` (states,) whether a number can end there, `firsts`
    the state in which each automaton starts.
    """

    follow: Int32s
    ends: Uint8s
    firsts: Int64s


def _metadata(region: str) -> Any:
    return PhoneMetadata.metadata_for_region(region)


def _prefix(metadata: Any) -> Language:
    """What is dialled before a number at home; a carrier's choice is part of it, the number behind it is not."""
    pattern = metadata.national_prefix_for_parsing or metadata.national_prefix
    return read(_CARRIER.sub("", pattern).replace("$", "")) if pattern else NOTHING


def _numbers(metadata: Any) -> Language:
    """Numbers of any type, without what is dialled before."""
    kinds = [getattr(metadata, name) for name in KINDS]
    patterns = [kind.national_number_pattern for kind in kinds if kind is not None and max(kind.possible_length) > 0]
    return any_of([read(pattern) for pattern in patterns if pattern])


def _without_prefix(metadata: Any) -> Language:
    """Numbers that may be written without the prefix: their format does not ask for it, or they have none."""
    every, free = [], []
    for form in metadata.number_format:
        numbers = read(form.pattern)
        if form.leading_digits_pattern:
            numbers = all_of((numbers, then(read(form.leading_digits_pattern[-1]), ANYTHING)))
        every.append(numbers)
        rule = form.national_prefix_formatting_rule
        if not rule or form.national_prefix_optional_when_formatting or rule_is_first_group(rule):
            free.append(numbers)
    return any_of([*free, but_not(any_of(every))])


@cache
def _abroad() -> Language:
    """Any country code, and as many digits as the shortest number there has at least."""
    codes = []
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        known: list[Any] = [PhoneMetadata.metadata_for_region_or_calling_code(code, region) for region in regions]
        shortest = min(min(each.general_desc.possible_length) for each in known if each is not None)
        codes.append(then(read(f"{code}\\d{{{max(shortest, 1)}}}"), ANYTHING))
    return any_of(codes)


@cache
def _language(region: str) -> Language:
    """Digits that a number of a region can have; all where its metadata say more than can be read here."""
    own = _metadata(region)
    if own.national_prefix_transform_rule not in {None, r"\2"}:  # r"\2": a carrier's code goes, as it does here
        return ANYTHING
    main = _metadata(phonenumbers.region_code_for_country_code(own.country_code))
    kin = [_metadata(each) for each in phonenumbers.region_codes_for_country_code(own.country_code)]
    try:
        numbers = any_of([_numbers(each) for each in kin])
        prefix = any_of((_prefix(own), _prefix(main)))
        code = read(str(own.country_code))
        behind = then(maybe(prefix), then(maybe(prefix), numbers))
        outside = then(read(own.international_prefix), _abroad()) if own.international_prefix else NOTHING
        return any_of(
            (
                then(prefix, then(maybe(code), behind)),
                then(code, behind),
                all_of((numbers, _without_prefix(main))),
                outside,
            )
        )
    except Unreadable:
        return ANYTHING


@cache
def walks(regions: tuple[str, ...]) -> Walks:
    """The automata of some regions, each once, behind that of numbers with a plus sign."""
    languages = dict.fromkeys([_abroad(), *map(_language, regions)])
    follow, ends, firsts = [], [], [0]
    for language in languages:
        one = automaton((language,))
        follow.append(np.where(one.follow >= 0, one.follow + firsts[-1], -1).astype(np.int32))
        ends.append((one.found & 1).astype(np.uint8))
        firsts.append(firsts[-1] + len(one.follow))
    return Walks(
        readonly(np.concatenate(follow)), readonly(np.concatenate(ends)), readonly(np.array(firsts[:-1], np.int64))
    )


@cache
def _table(region: str) -> tuple[list[list[int]], list[int]]:
    """The automaton of a region as lists, which Python walks faster."""
    one = automaton((_language(region),))
    return one.follow.tolist(), one.found.tolist()


@cache
def _by_table(regions: tuple[str, ...]) -> list[tuple[list[list[int]], list[int], list[str]]]:
    """Each automaton of some regions, and those that have it."""
    kin: dict[Language, list[str]] = {}
    for region in regions:
        kin.setdefault(_language(region), []).append(region)
    return [(*_table(same[0]), same) for same in kin.values()]


def regions_of(groups: list[str], regions: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some regions of which groups of ASCII digits that follow one another could be a whole number."""
    found: set[str] = set()
    for follow, ends, same in _by_table(regions):
        if any(_can_start(groups, first, follow, ends) for first in range(len(groups))):
            found.update(same)
    return tuple(region for region in regions if region in found)


def _can_start(groups: list[str], first: int, follow: list[list[int]], ends: list[int]) -> bool:
    state = count = 0
    for group in groups[first:]:
        for digit in group:
            state = follow[state][ord(digit) - ZERO]
            if state < 0:
                return False
        count += len(group)
        if count > LONGEST:
            return False
        if ends[state] and count >= LEAST:
            return True
    return False
