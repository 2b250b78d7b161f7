"""National ids: every recogniser's answers behind the kernel are those of its patterns on the whole text."""

from __future__ import annotations

import random
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.pii.endless import _SEARCHES, FLAGS
from datapipe.algo.pii.finder import find
from datapipe.algo.pii.national_ids import COUNTRIES, NATIONAL
from datapipe.algo.pii.recognisers import recogniser
from datapipe.algo.pii.scan_numbers import MOST_ID
from tests.algo.pii.oracle import answer, differences, hard_strings, presidio_answers

# Python's own reader of patterns: what it takes them for is no guess of ours.
kinds: Any = import_module("re._constants")
reader: Any = import_module("re._parser")
DIGITS = frozenset(map(ord, "0123456789"))
AROUND = tuple(entity for entity, each in NATIONAL.items() if each.digits)

# Made up by the rules of each country, by hand or by the issuers' worked examples.
VALID = {
    "UK_NHS": "401 023 2137",
    "UK_NINO": "AB 12 34 56 C",
    "ES_NIF": "12345678Z",
    "ES_NIE": "X1234567L",
    "IT_FISCAL_CODE": "RSSMRA85T10A562S",
    "IT_VAT_CODE": "01333550323",
    "PL_PESEL": "44051401359",
    "SG_NRIC_FIN": "S1234567D",
    "AU_ABN": "51 824 753 556",
    "AU_ACN": "000 000 019",
    "AU_TFN": "876 543 210",
    "AU_MEDICARE": "2123 45670 1",
    "IN_PAN": "AAAPA1111R",
    "IN_AADHAAR": "312345678909",
    "FI_PERSONAL_IDENTITY_CODE": "131052-308T",
    "KR_RRN": "960121-1234567",
    "DE_TAX_ID": "86095742719",
    "CA_SIN": "130 692 544",
    "TR_NATIONAL_ID": "10000000146",
    "SE_PERSONNUMMER": "811228-9874",
    "ZA_ID_NUMBER": "8001015009087",
    "US_ITIN": "911-70-1234",
}


def fewest_digits(tree: Any) -> int:
    """Digits that every match of a parsed pattern has at least."""
    return sum(_fewest(kind, value) for kind, value in tree)


def _fewest(kind: Any, value: Any) -> int:
    if kind is kinds.LITERAL:
        return int(value in DIGITS)
    if kind is kinds.IN:
        return int(all(map(_is_digits, value)))
    if kind is kinds.BRANCH:
        return min(map(fewest_digits, value[1]))
    if kind is kinds.SUBPATTERN:
        return fewest_digits(value[3])
    if kind in {kinds.MAX_REPEAT, kinds.MIN_REPEAT}:
        return int(value[0]) * fewest_digits(value[2])
    return 0


def _is_digits(part: Any) -> bool:
    kind, value = part
    if kind is kinds.RANGE:
        return set(value) <= DIGITS
    return (kind is kinds.CATEGORY and value is kinds.CATEGORY_DIGIT) or (kind is kinds.LITERAL and value in DIGITS)


def parsed(pattern: str) -> Any:
    return reader.parse(("(?i)" if "(?i)" in pattern else "") + pattern.replace("(?i)", ""))


@pytest.mark.parametrize("entity", AROUND)
def test_what_the_kernel_relies_on_is_true_of_the_patterns_installed(entity: str) -> None:
    trees = [parsed(pattern.compiled.pattern) for pattern in recogniser(entity).patterns]
    assert all(tree.getwidth()[1] < MOST_ID for tree in trees)
    assert min(map(fewest_digits, trees)) >= NATIONAL[entity].digits


@pytest.mark.parametrize("entity", VALID)
def test_a_valid_id_is_found_near_its_context_words(entity: str) -> None:
    word = next(each for each in recogniser(entity).context if each.isalpha())
    text = f"His {word} is {VALID[entity]}, they say."
    found = find(pa.array([text], pa.large_string()), (entity,)).get(0, [])
    assert (VALID[entity], True) in [(text[each.start : each.end], each.score >= 0.4) for each in found]
    assert answer(found) == presidio_answers(text, (entity,))


def ids(chance: random.Random) -> str:
    """Ids, some with a sign changed, and letters and digits of the shapes they have."""
    value = list(chance.choice(list(VALID.values())))
    for _ in range(chance.randrange(3)):
        value[chance.randrange(len(value))] = chance.choice("0123456789ABCXYZ -/")
    return chance.choice(("", " ", "x", "é", "中", "\u0661", "no. ")) + "".join(value)


def texts(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    made = []
    for text in hard_strings(seed, count):
        filler = chance.choice((" ", ", ", "\n", " the number of his passport is ", "x" * 70, " " * 31, "é" * 33))
        made.append(filler.join([ids(chance), text, ids(chance)]))
    return made


def test_all_ids_are_as_presidio_says_on_hard_strings() -> None:
    assert differences(texts(5, 30), tuple(NATIONAL)) == []


@settings(max_examples=25)
@given(st.text(alphabet="0123456789 -/.ABEXZé中\u0661", max_size=90))
def test_any_text_of_digits_and_letters_is_as_presidio_says(text: str) -> None:
    assert differences([text], AROUND) == []


@pytest.mark.parametrize("entity", ["IN_PAN", "US_HEALTH_INSURANCE_MEMBER_ID"])
def test_patterns_that_look_ahead_without_end_are_known_as_they_are_installed(entity: str) -> None:
    assert any(pattern.compiled.pattern in _SEARCHES for pattern in recogniser(entity).patterns)


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from(["ABCDE-12345", "abc", "ſ", "-", " ", "1234", "12", "\n", "X" * 9, "é", "@#", "\u0661"]),
        max_size=14,
    )
)
def test_looking_ahead_once_finds_what_looking_ahead_each_time_finds(parts: list[str]) -> None:
    text = "".join(parts)
    for pattern, search in _SEARCHES.items():
        compiled = regex.compile(pattern, FLAGS)
        assert list(search(text)) == [match.span() for match in compiled.finditer(text)]


@pytest.mark.parametrize("unit", ["word ", "A-", "abcde-fghij ", "1 ", "HRA  ", "claim   ", "12-34-", "AB12"])
def test_time_for_ids_doubles_with_the_text(unit: str) -> None:
    def seconds(size: int) -> float:
        texts = pa.array([unit * (size // len(unit))], pa.large_string())
        began = time.process_time()
        find(texts, tuple(NATIONAL))
        return time.process_time() - began

    seconds(500)
    small, large = seconds(2_000), seconds(8_000)
    assert large < 8 * small + 0.1, f"{small:.3f} s, then {large:.3f} s for four times as much"


def test_every_country_has_ids() -> None:
    assert {"AU", "DE", "ES", "FI", "GB", "IN", "IT", "KR", "PL", "SG", "TH", "US"} <= set(COUNTRIES)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_ids_in_real_texts_are_as_presidio_says(real_data: Path) -> None:
    from tests.algo.pii.test_like_presidio import texts_of  # noqa: PLC0415 - reads files only here

    real = texts_of(real_data / "pii-presidio/synth_dataset_v2.jsonl.gz", "full_text")
    web = texts_of(real_data / "extract-wcxb/gold.jsonl.gz", "main_content", "text")
    assert differences([*real, *web[::8], *texts(6, 1500)], tuple(NATIONAL)) == []
