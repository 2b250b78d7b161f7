"""Presidio's context words: a score rises where one stands in the words before a match.

What: `LemmaContextAwareEnhancer` with the text of a word as its lemma, since no language model is loaded: the word of
the match, five before it and the first from it on count, stop words and punctuation left out. Only the words around
a match are made; spaCy's tokenizer cuts at white space first, so that a stretch between spaces gives the same words.
A quirk is kept: where a word holds a colon, its parts count as keywords for the whole document.
Presidio looks back through the whole document; here it ends after 1,024 characters, lest time grow with the square.
Costs: a match far from any context word 5 microseconds, another 50 to 100.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from datapipe.algo.models import package
from datapipe.algo.pii.found import Found
from datapipe.algo.pii.recognisers import EXTRA, STAGE, recogniser

__all__ = ["with_context"]

FACTOR = 0.35  # presidio's, as are the next two
MIN_SCORE = 0.4
WORDS = 6  # the word of the match and five before it
NEAR = 160  # characters before a match that are looked at before any words are made
BACK, AHEAD = 1 << 10, 1 << 8  # characters before and behind a match that are looked at
MOST = 1 << 14  # characters of a stretch without spaces; longer ones are not taken apart
KEPT = 1 << 16

_RUN = re.compile(r"\s+|\S+")
_SPACE = re.compile(r"\s")
_NO_SPACE = re.compile(r"\S")


@cache
def _language() -> Any:
    """SpaCy's English without a model: tokenizer and word lists."""
    return package("spacy", extra=EXTRA, stage=STAGE).blank("en")


@lru_cache(maxsize=KEPT)
def _is_keyword(word: str) -> bool:
    entry = _language().vocab[word]
    return not entry.is_stop and not entry.is_punct and word != "be"


@lru_cache(maxsize=KEPT)
def _is_plain(word: str) -> bool:
    """Whether a stretch between spaces is one word that counts."""
    return word.isascii() and word.isalpha() and word not in _language().tokenizer.rules and _is_keyword(word)


@lru_cache(maxsize=KEPT)
def _parts(stretch: str) -> frozenset[str]:
    """Stop words and punctuation that count as keywords because a word with a colon holds them."""
    found = set()
    for _, word in _words(stretch):
        if ":" in word and _is_keyword(word):
            found |= {part for part in word.lower().split(":") if part and not _is_keyword(part)}
    return frozenset(found)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """The next place where a pattern matches, within MOST characters; the end of the text or of those if none."""
    match = pattern.search(text, at, at + MOST)
    return match.start() if match else min(len(text), at + MOST)


@lru_cache(maxsize=KEPT)
def _words(stretch: str) -> tuple[tuple[int, str], ...]:
    """The words of a stretch without spaces, and where each starts; a very long one is a single word."""
    if len(stretch) >= MOST:
        return ((0, stretch),)
    return tuple((word.idx, word.text) for word in _language().tokenizer(stretch))


def _tokens(window: str) -> Iterator[tuple[int, str]]:
    """Place and text of each word; white space is one, too, but for the first space behind another word."""
    for run in _RUN.finditer(window):
        at, text = run.start(), run[0]
        if not text.isspace():
            yield from ((at + place, word) for place, word in _words(text))
        elif text[0] != " " or at == 0:
            yield at, text
        elif len(text) > 1:
            yield at + 1, text[1:]


class _Document:
    """A text, and what its words with colons make keywords of."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._extra: frozenset[str] | None = None

    @property
    def extra(self) -> frozenset[str]:
        if self._extra is None:
            stretches = set(self.text.split()) if ":" in self.text else set()
            stretches = {each for each in stretches if ":" in each[:-1] and len(each) <= MOST}
            self._extra = frozenset().union(*map(_parts, stretches))
        return self._extra

    def counts(self, word: str) -> bool:
        return ":" not in word and (word.lower() in self.extra or _is_keyword(word))

    def around(self, start: int, end: int) -> list[str]:
        """The words that count around a match, in small letters."""
        back, ahead = BACK // 4, AHEAD // 4
        while True:
            low, high = self._bounds(start - back, max(start + 1, end) + ahead)
            if not (low <= start < high and self._is_whole(low, high)):
                return []  # inside a stretch that is too long to be taken apart
            words = [(low + place, word) for place, word in _tokens(self.text[low:high])]
            here = next((at for at, (place, word) in enumerate(words) if start < place + len(word)), len(words))
            before = [word.lower() for _, word in reversed(words[: here + 1]) if self.counts(word)][:WORDS]
            after = next((word.lower() for _, word in words[here:] if self.counts(word)), None)
            whole = (low == 0 or len(before) == WORDS) and (high == len(self.text) or after is not None)
            if whole or back >= BACK:
                return before if after is None else [*before, after]
            back, ahead = back * 2, ahead * 2

    def _is_whole(self, low: int, high: int) -> bool:
        """Whether a stretch of the text starts and ends where words do."""
        text = self.text
        return (low == 0 or text[low - 1].isspace()) and (high == len(text) or text[high - 1].isspace())

    def _bounds(self, low: int, high: int) -> tuple[int, int]:
        """Bounds moved outwards to where a stretch starts after white space, and one ends; MOST is the limit."""
        text, low = self.text, max(0, low)
        if low > 0 and not (text[low - 1].isspace() and not text[low].isspace()):
            limit = max(0, low - MOST)
            before = text[limit:low].rstrip()
            low = limit + len(before) - len(before.rsplit(None, 1)[-1] if before else "")
        return low, _end(_NO_SPACE, text, _end(_SPACE, text, min(high, len(text))))

    def _is_among(self, start: int, end: int, context: tuple[str, ...]) -> bool:
        """Whether a context word stands in all that `around` can ever look at, or somewhat more."""
        low, high = max(0, start - BACK), max(end, start + 1) + AHEAD
        low = max(0, self.text.rfind(" ", max(0, low - MOST), low)) if low > 0 else 0
        further = self.text.find(" ", high, high + MOST)
        looked = self.text[low : further if further >= 0 else high + MOST].lower()
        return any(word in looked for word in context)

    def is_far(self, start: int, end: int, context: tuple[str, ...]) -> bool:
        """Whether, at a glance, no context word can be among the words that count; True is never wrong."""
        text = self.text
        if not self._is_among(start, end, context):
            return True
        stop = _end(_SPACE, text, max(end, start + 1))
        if ":" in text[start:stop]:
            return False
        low = max(0, start - NEAR)
        near = text[low : stop + 40].lower()
        if any(word in near for word in context):
            return False
        words = text[low:start].split()
        if low == 0:
            return True
        plain = sum(map(_is_plain, words[1:-1]))
        return plain >= WORDS


def with_context(text: str, found: list[Found]) -> list[Found]:
    """The same, with the scores that presidio gives them for their context."""
    document = _Document(text)
    boosted = []
    for each in found:
        context = recogniser(each.entity).context
        if context and not document.is_far(each.start, each.end, context):
            words = document.around(each.start, each.end)
            if any(one in word for one in context for word in words):
                each = each._replace(score=min(1.0, max(each.score + FACTOR, MIN_SCORE)))  # noqa: PLW2901
        boosted.append(each)
    return boosted
