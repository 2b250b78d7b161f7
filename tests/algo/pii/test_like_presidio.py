"""The fast path gives presidio's answers: type, start, end and score, context words on."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.pii.finder import find
from datapipe.algo.pii.found import ENTITIES, FAST
from datapipe.algo.pii.phones import REGIONS
from tests.algo.pii.oracle import SIGNS, VALUES, WORDS, answer, differences, hard_strings, presidio_answers


def texts_of(path: Path, *keys: str) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    return [next((record[key] for key in keys if record.get(key)), "") for record in records]


@pytest.mark.parametrize("value", VALUES)
def test_values_alone_and_near_their_context_words_are_as_presidio_says(value: str) -> None:
    frames = ("{}", "email, ip, card, iban, bitcoin or ssn: {}.", "my phone number is ({})", "x{}", "{}x", "邮箱{}联系")
    assert differences([frame.format(value) for frame in frames]) == []


@pytest.mark.parametrize(
    "text",
    [
        "the card is, as it were, one of the 4111111111111111",  # six words that count lie between, or not
        "card one two three four five six 4111111111111111 visa",
        "ip:8.8.8.8 the of ssn:536-90-4399 note:the 536904399",  # parts of words with a colon become keywords
        "be be be ssn 536904399\n\n\n  be",
        "DE89370400440532013000 2 days from today, transaction",  # account numbers fall back to a shorter group
        "1.2.3.4.5 256.1.1.1 ::1.2.3.4 1:2:3:4:5:6:1.2.3.4",
        "4111111111111111 4111111111111112" * 3,  # what fails a check has eaten its text
        "20120102 10:20 1990-01-02 10:20 +4915112345678 x89",
        "12345678901234567890123456789012345678",
        "call " + "9" * 450 + "0300123456",
    ],
)
def test_traps_are_as_presidio_says(text: str) -> None:
    assert differences([text]) == []


def test_mixed_and_damaged_strings_are_as_presidio_says() -> None:
    assert differences(hard_strings(11, 400)) == []


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*VALUES, *SIGNS, *WORDS]), max_size=8).map("".join), st.text(max_size=8))
def test_any_text_is_as_presidio_says(text: str, more: str) -> None:
    readable = (more + text).encode(errors="replace").decode()
    assert differences([readable, text]) == []


def test_entities_without_a_fast_path_are_presidios_own_answers() -> None:
    text = "See https://example.org/a on 2020-01-02, NHS 401 023 2137, passport 912803456, MAC 00:1A:2B:3C:4D:5E"
    entities = ("URL", "DATE_TIME", "UK_NHS", "US_PASSPORT", "MAC_ADDRESS", "EMAIL_ADDRESS")
    found = find(pa.array([text], pa.large_string()), entities, REGIONS)
    theirs = presidio_answers(text, entities)
    assert theirs
    assert answer(found[0]) == theirs


def test_every_entity_has_its_recogniser() -> None:
    texts = pa.array(["nothing to see"], pa.large_string())
    assert find(texts, tuple(ENTITIES), REGIONS) == {}


def test_where_a_text_stands_in_a_batch_does_not_matter() -> None:
    texts = pa.array(["é", None, "a@b.com", "", "日本 a@b.com 8.8.8.8"], pa.large_string())
    whole = find(texts, tuple(FAST), REGIONS)
    assert set(whole) == {2, 4}
    alone = find(texts.slice(4), tuple(FAST), REGIONS)
    assert alone[0] == whole[4]
    assert answer(whole[4]) == presidio_answers("日本 a@b.com 8.8.8.8")


def test_a_sample_of_real_sentences_is_as_presidio_says(real_data: Path) -> None:
    sentences = texts_of(real_data / "pii-presidio/synth_dataset_v2.jsonl.gz", "full_text")
    assert differences(sentences[::10]) == []


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("pii-presidio/synth_dataset_v2.jsonl.gz", ("full_text",)),
        ("extract-wcxb/gold.jsonl.gz", ("main_content", "text")),
        ("raw/c4_demo_300.jsonl.gz", ("text",)),
    ],
)
def test_real_texts_are_as_presidio_says(real_data: Path, name: str, keys: tuple[str, ...]) -> None:
    assert differences(texts_of(real_data / name, *keys)) == []


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_twenty_thousand_hard_strings_are_as_presidio_says() -> None:
    assert differences(hard_strings(20261, 20_000)) == []
