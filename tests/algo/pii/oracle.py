"""Presidio itself, with context words on and the text of a word as its lemma; and strings that are hard for a copy."""

from __future__ import annotations

import logging
import random
from functools import cache
from typing import Any

import pyarrow as pa
import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine

from datapipe.algo.pii.finder import find
from datapipe.algo.pii.found import FAST, Found
from datapipe.algo.pii.national_ids import NATIONAL
from datapipe.algo.pii.phones import REGIONS

Answer = tuple[str, int, int, float]


class _Plain(SpacyNlpEngine):
    """SpaCy's English tokenizer without a model."""

    def __init__(self) -> None:
        super().__init__(models=[{"lang_code": "en", "model_name": "none"}])
        self.nlp = {"en": spacy.blank("en")}  # type: ignore[assignment] # declared as None

    def load(self) -> None:
        pass

    def _doc_to_nlp_artifact(self, doc: Any, language: str) -> NlpArtifacts:
        places, words = [token.idx for token in doc], [token.text for token in doc]
        return NlpArtifacts(
            entities=doc.ents, tokens=doc, tokens_indices=places, lemmas=words, nlp_engine=self, language=language
        )


@cache
def presidio() -> Any:
    """The whole analyzer, without the network."""
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    tldextract.extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())  # type: ignore[assignment]
    registry: Any = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    known = {each.name for each in registry.recognizers}
    for each in NATIONAL.values():  # those that it does not switch on for English
        if each.recogniser not in known:
            registry.add_recognizer(getattr(predefined_recognizers, each.recogniser)(supported_language="en"))
    return AnalyzerEngine(nlp_engine=_Plain(), registry=registry, supported_languages=["en"])


def answer(found: list[Found]) -> list[Answer]:
    """What is compared, in order."""
    return sorted((each.entity, each.start, each.end, round(each.score, 6)) for each in found)


def presidio_answers(text: str, entities: tuple[str, ...] = tuple(FAST)) -> list[Answer] | None:
    """What presidio finds; None where it raises."""
    try:
        results = presidio().analyze(text, language="en", entities=list(entities))
    except (ValueError, IndexError):
        return None
    return sorted((each.entity_type, each.start, each.end, round(each.score, 6)) for each in results)


def differences(texts: list[str], entities: tuple[str, ...] = tuple(FAST)) -> list[tuple[int, Any, Any]]:
    """Number of each text on which presidio answers otherwise, with what it has more and less."""
    found = find(pa.array(texts, pa.large_string()), entities, REGIONS)
    unequal = []
    for number, text in enumerate(texts):
        theirs = presidio_answers(text, entities) if text.strip() else []
        mine = answer(found.get(number, []))
        if theirs is not None and theirs != mine:
            unequal.append((number, sorted(set(theirs) - set(mine)), sorted(set(mine) - set(theirs))))
    return unequal


VALUES = (
    *("anna.b@example.co.uk", "a@b.com.Then", "x+y@mail.example.org", "o'neil@ex-ample.de", "q@q", "a@b.c@d.org"),
    *("+1 415 555 2671", "(415) 555-2671", "020 7946 0018", "+49 30 901820", "1-800-555-0199 ext 12", "0800 123456"),
    *("8.8.8.8", "10.0.0.1/24", "256.1.1.1", "2001:db8::1", "::", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "fe80::1%eth0"),
    *("4111111111111111", "4111-1111-1111-1111", "5500 0000 0000 0004", "378282246310005", "6222021234567890128"),
    *("DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "gb42nawi04454264788619", "FR1420041010050500013M02606"),
    *("123-45-6789", "078051120", "536-90-4399", "536 90 4399", "536.90.4399", "53690-4399", "536-904399", "536904399"),
    *(
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    ),
)
SIGNS = (
    *(
        " ",
        "\n",
        "\t",
        "-",
        ".",
        "/",
        ":",
        ",",
        ";",
        "(",
        ")",
        "[",
        "]",
        "{",
        "<",
        ">",
        '"',
        "'",
        "@",
        "#",
        "+",
        "~",
        "_",
    ),
    *("x", "X", "%", "$", "|", "&", "=", "?", "*", "\\", "\u00a0", "\u200b", "\u2013", "\u3000", "\uff08", "\uff0b"),
    *(
        "\u0661",
        "\u0e51",
        "\uff11",
        "é",
        "中",
        "ſ",
        "\u212a",
        "ı",
        "İ",
        "€",
        "\u0301",
        "::",
        "://",
        " ext ",
        ",,",
        ":)",
    ),
    *(
        "bc1",
        "DE89",
        "note:the",
        "1:in",
        "http://",
        "x" * 260,
        "a." * 130,
        "\U0001d7d8",
        "\U0001f600",
        "2020-01-02 10:20",
    ),
)
WORDS = (
    "the ",
    "number ",
    "Call me at ",
    "is ",
    "a",
    "B",
    "com",
    "ip ",
    "card ",
    "phone ",
    "ssn ",
    "iban ",
    "email ",
    "be ",
)


def hard_strings(seed: int, count: int) -> list[str]:
    """Values joined, cut and mixed with signs that patterns, tokenizers and Unicode trip over."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        parts = []
        for _ in range(chance.randrange(1, 9)):
            kind = chance.random()
            if kind < 0.4:
                parts.append(chance.choice(VALUES))
            elif kind < 0.75:
                parts.append(chance.choice(SIGNS))
            elif kind < 0.85:
                parts.append("".join(chance.choice("0123456789") for _ in range(chance.randrange(1, 19))))
            else:
                parts.append(chance.choice(WORDS))
            if chance.random() < 0.5:
                parts.append(chance.choice(" -.:/"))
        text = list("".join(parts))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(text))
            text[at : at + chance.randrange(2)] = [chance.choice(SIGNS)] if chance.random() < 0.7 else []
            text = text or [" "]
        made.append("".join(text))
    return made
