"""What is found, by whom, and the names of presidio's entities; imports nothing that has to be installed for it.

Costs nothing: plain declarations.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from datapipe.algo.pii.national_ids import NATIONAL

__all__ = ["ENTITIES", "FAST", "NAMED", "NAMES", "Found", "Taken"]

# What presidio's recognisers without a language model find, and which of them; the first have a fast path each.
FAST = {
    "EMAIL_ADDRESS": "EmailRecognizer",
    "PHONE_NUMBER": "PhoneRecognizer",
    "IP_ADDRESS": "IpRecognizer",
    "CREDIT_CARD": "CreditCardRecognizer",
    "IBAN_CODE": "IbanRecognizer",
    "US_SSN": "UsSsnRecognizer",
    "CRYPTO": "CryptoRecognizer",
}
ENTITIES = {
    **FAST,
    "DATE_TIME": "DateRecognizer",
    "MAC_ADDRESS": "MacAddressRecognizer",
    "URL": "UrlRecognizer",
    "UUID": "UuidRecognizer",
    **{entity: each.recogniser for entity, each in NATIONAL.items()},
}


# What language models find, and who they are.
NAMED = ("PERSON", "LOCATION", "ORGANIZATION")
NAMES = {"spacy": "SpacyNames", "lac": "LacNames"}


class Found(NamedTuple):
    """Personal data at text[start:end], in characters; a score of 0 to 1, and who found it."""

    entity: str
    start: int
    end: int
    score: float
    recogniser: str


class Taken:
    """Stretches of a text that are told already; each question takes the time of a search among them."""

    def __init__(self, told: Iterable[Found]) -> None:
        spans = sorted((each.start, each.end) for each in told)
        self._starts = [start for start, _ in spans]
        self._ends = list(accumulate((end for _, end in spans), max))

    def overlaps(self, one: Found) -> bool:
        """Whether any of them shares a character with it."""
        at = bisect_left(self._starts, one.end)
        return at > 0 and self._ends[at - 1] > one.start

    def holds(self, one: Found) -> bool:
        """Whether it lies within one of them."""
        at = bisect_right(self._starts, one.start)
        return at > 0 and self._ends[at - 1] >= one.end
