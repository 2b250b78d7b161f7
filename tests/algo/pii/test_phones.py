"""Telephone numbers: what is left out before phonenumbers is asked is nothing that it would find."""

from __future__ import annotations

import random
import re

import numpy as np
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.pii.automaton import (
    Language,
    Unreadable,
    all_of,
    any_of,
    automaton,
    but_not,
    read,
    then,
)
from datapipe.algo.pii.classes import class_table
from datapipe.algo.pii.context import _Document
from datapipe.algo.pii.finder import scanned
from datapipe.algo.pii.phone_shapes import regions_of
from datapipe.algo.pii.phones import REGIONS, phones_of
from datapipe.algo.pii.scan import candidates, scan_crypto
from datapipe.algo.pii.scan_phones import scan_phones
from datapipe.text.buffers import view_bytes

MORE = (*REGIONS, "IT", "AR", "MX", "RU", "KZ", "CN", "JP", "AU", "BB", "HU")
PATTERNS = ("[2-9]\\d{2}", "1(?:2|3[4-6])?", "(?:0|11)\\d{1,3}", "\\d{0,2}9", "(12|1)(2|22){1,2}", "[0-35\\d]")
DIGITS = st.text(alphabet="0123456789", max_size=7)


def accepts(language: Language, digits: str) -> bool:
    made, state = automaton((language,)), 0
    for digit in digits:
        state = int(made.follow[state, int(digit)])
        if state < 0:
            return False
    return bool(made.found[state])


@settings(max_examples=80)
@given(st.sampled_from(PATTERNS), st.sampled_from(PATTERNS), DIGITS)
def test_automata_take_what_patterns_match(one: str, other: str, digits: str) -> None:
    first, second = (re.compile(pattern).fullmatch(digits) is not None for pattern in (one, other))
    assert accepts(read(one), digits) is first
    assert accepts(any_of([read(one), read(other)]), digits) is (first or second)
    assert accepts(all_of([read(one), read(other)]), digits) is (first and second)
    assert accepts(but_not(read(one)), digits) is not first
    joined = re.compile(f"(?:{one})(?:{other})").fullmatch(digits) is not None
    assert accepts(then(read(one), read(other)), digits) is joined


def test_several_languages_are_one_automaton_with_a_bit_each() -> None:
    made = automaton([read("12"), read("1\\d"), read("3")])
    one = int(made.follow[0, 1])
    assert [int(made.found[made.follow[one, digit]]) for digit in (2, 3)] == [0b011, 0b010]
    assert int(made.found[made.follow[0, 3]]) == 0b100
    assert int(made.follow[0, 2]) == -1


@pytest.mark.parametrize("pattern", ["(?=1)2", "a", "[^1]", "1+", "(1", "[1", "1{x}"])
def test_patterns_that_are_not_known_are_refused(pattern: str) -> None:
    with pytest.raises(Unreadable):
        read(pattern)


# ---------------------------------------------------------------------------------------------- beside phonenumbers


def reference(text: str, regions: tuple[str, ...]) -> set[tuple[int, int]]:
    """Spans that phonenumbers finds in the whole text, region by region."""
    return {
        (match.start, match.end)
        for region in regions
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=1)
    }


def ours(text: str, regions: tuple[str, ...]) -> set[tuple[int, int]]:
    found = scanned(pa.array([text], pa.large_string()), (scan_phones,), mended=False, regions=regions)
    return {
        (one.start, one.end) for each in found for one in phones_of(each.text, each.places[scan_phones][:, :2], regions)
    }


KINDS = [getattr(phonenumbers.PhoneNumberType, name) for name in ("FIXED_LINE", "MOBILE", "TOLL_FREE", "UAN", "VOIP")]
FORMS = [getattr(phonenumbers.PhoneNumberFormat, name) for name in ("E164", "INTERNATIONAL", "NATIONAL", "RFC3966")]


def written(chance: random.Random) -> str:
    """A number of some region and kind, in some form, with some signs changed."""
    number = None
    while number is None:
        number = phonenumbers.example_number_for_type(chance.choice(MORE), chance.choice(KINDS))
    if chance.random() < 0.2:
        number.extension = str(chance.randrange(10**6))
    text = phonenumbers.format_number(number, chance.choice(FORMS))
    if chance.random() < 0.2:
        text = phonenumbers.format_out_of_country_calling_number(number, chance.choice(MORE))
    if chance.random() < 0.2:
        text = re.sub(r"[^0-9]", "", text)
    signs = list(text)
    for _ in range(chance.randrange(3)):
        signs[chance.randrange(len(signs))] = chance.choice("0123456789 -./()+x$a,\u00a0\uff11\uff0b")
    return "".join(signs)


def text_of(chance: random.Random) -> str:
    joints = (" ", ", ", " / ", "\n", "a", "x", "$", "% ", "-", ".", " ext ", ";", "Д", "ı", "（", "#", ",,", "：")
    parts = [written(chance) + chance.choice(joints) for _ in range(chance.randrange(1, 4))]
    return chance.choice(("", "a", "$", "(", "+", "tel:", "\uff0b", "Nr. ")) + "".join(parts)


@pytest.mark.parametrize("seed", range(3))
def test_numbers_found_are_those_of_the_whole_matcher(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        text = text_of(chance)
        regions = tuple(chance.sample(MORE, 4))
        assert ours(text, regions) == reference(text, regions), text


@settings(max_examples=30)
@given(st.text(alphabet="0123456789 -.()+/x", max_size=40))
def test_numbers_of_any_digits_are_those_of_the_whole_matcher(text: str) -> None:
    assert ours(text, REGIONS) == reference(text, REGIONS)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_thousands_of_texts_have_the_numbers_of_the_whole_matcher() -> None:
    chance = random.Random(77)
    for _ in range(4_000):
        text = text_of(chance)
        regions = tuple(chance.sample(MORE, 4))
        assert ours(text, regions) == reference(text, regions), text


def test_regions_whose_rules_rewrite_numbers_are_never_left_out() -> None:
    assert regions_of(["4151"], ("BB", "US")) == ("BB",)
    assert regions_of(["415", "555", "2671"], ("BB", "US", "DE")) == ("BB", "US")
    assert regions_of(["415", "5552"], ("US",)) == ()


# ---------------------------------------------------------------------------------------------- other short ways


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["a", "7", "Z9", " ", "é", "ſ", "中", "-", "x" * 25, "b1" * 13]), max_size=12))
def test_runs_for_wallets_are_those_of_a_plain_search(parts: list[str]) -> None:
    text = "".join(parts)
    view = view_bytes(pa.array([text], pa.large_string()))
    found = candidates(scan_crypto, view, class_table(mended=False))
    spans = [(len(text.encode()[:start].decode()), len(text.encode()[:end].decode())) for _, start, end, _ in found]
    # `re` takes U+017F for a letter where case is ignored, as the table does.
    runs = [match for match in re.finditer(r"[a-z0-9]{26,}", text, re.IGNORECASE) if re.search(r"\d", match[0])]
    assert spans == [match.span() for match in runs]


@settings(max_examples=80)
@given(
    st.lists(st.sampled_from(["ssn ", "the ", "word ", "note:the ", "a:b", "x" * 300, "\n", "is "]), max_size=30),
    st.lists(st.sampled_from([" of", " ssn", " the", ":", "y" * 90]), max_size=8),
)
def test_a_match_that_is_far_from_context_words_has_none_around(before: list[str], after: list[str]) -> None:
    start = sum(map(len, before))
    text = "".join(before) + "536904399" + "".join(after)
    document = _Document(text)
    if document.is_far(start, start + 9, ("ssn", "security")):
        words = document.around(start, start + 9)
        assert not any(one in word for one in ("ssn", "security") for word in words)


@pytest.mark.parametrize("unit", ["1", "+1 ", "020 7946 ", "(0) ", "7x", "Phone: 723 813 ", "4:0 ", "12,"])
def test_what_the_matcher_is_given_grows_with_the_text(unit: str) -> None:
    """Characters of clusters left after the automata, for a text and for one twice as long."""
    sizes = []
    for size in (20_000, 40_000):
        texts = pa.array([unit * (size // len(unit))], pa.large_string())
        found = scanned(texts, (scan_phones,), mended=True)
        sizes.append(
            sum(int(np.sum(each.places[scan_phones][:, 1] - each.places[scan_phones][:, 0])) for each in found)
        )
    assert sizes[1] <= 2.1 * sizes[0] + 1_000
    assert sizes[1] <= 40_000
