"""Presidio's own recognisers: their patterns, checks and context words, tried where a candidate stands.

Why: presidio is the definition, so nothing of it is written again; only where its patterns are tried is ours. Trying
a pattern at each candidate in turn, but not before the end of its last match, is what searching the whole text does.
Costs 1 s at first use (presidio imports spaCy), then some microseconds a candidate.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import regex
import tldextract

from datapipe.algo.models import package
from datapipe.algo.pii.endless import spans_of
from datapipe.algo.pii.found import ENTITIES, Found
from datapipe.algo.pii.national_ids import NATIONAL

__all__ = ["Pattern", "Recogniser", "pruned", "recogniser", "suffix_of"]

STAGE = "mask.pii"
EXTRA = "pii"


class Pattern(NamedTuple):
    """A compiled pattern of a recogniser, and the score of what it matches before any check."""

    compiled: Any
    score: float


class Recogniser(NamedTuple):
    """One of presidio's recognisers; `check` gives the score of a match, 0 for none."""

    entity: str
    name: str
    patterns: tuple[Pattern, ...]
    context: tuple[str, ...]
    check: Callable[[str, float], float]
    whole: Any

    def at(self, text: str, starts: Iterable[int], chosen: tuple[int, ...] | None = None) -> list[Found]:
        """What the patterns (those chosen) match at some places, in order."""
        found = []
        patterns = self.patterns if chosen is None else tuple(self.patterns[at] for at in chosen)
        last = [0] * len(patterns)
        for start in starts:
            for at, pattern in enumerate(patterns):
                match = pattern.compiled.match(text, start) if start >= last[at] else None
                if match is None:
                    continue
                last[at] = match.end()
                score = self.check(match[0], pattern.score)
                if score > 0:
                    found.append(Found(self.entity, start, last[at], score, self.name))
        return found

    def between(self, text: str, bounds: Iterable[tuple[int, int]]) -> list[Found]:
        """What the patterns find in some stretches, none of which a match can leave."""
        found = []
        for start, end in bounds:
            for pattern in self.patterns:
                for first, last in spans_of(pattern.compiled, text, start, end):
                    score = self.check(text[first:last], pattern.score) if last > first else 0.0
                    if score > 0:
                        found.append(Found(self.entity, first, last, score, self.name))
        return found

    def accounts(self, text: str, starts: Iterable[int]) -> list[Found]:
        """Account numbers: of each match the longest beginning that passes the check, as presidio tries them."""
        found, last = [], 0
        for start in starts:
            match = self.patterns[0].compiled.match(text, start) if start >= last else None
            if match is None:
                continue
            last = match.end()
            for group in (3, 2, 1):
                end = match.end(group) if match.end(group) > 0 else last
                score = self.check(text[start:end], self.patterns[0].score)
                if score > 0:
                    found.append(Found(self.entity, start, end, score, self.name))
                    break
        return found

    def everywhere(self, text: str) -> list[Found]:
        """What presidio itself finds in the whole text."""
        if self.entity in NATIONAL:  # patterns and checks are all there is, and checks can raise
            return self.between(text, [(0, len(text))])
        results = self.whole.analyze(text, [self.entity], None)
        return [Found(self.entity, each.start, each.end, each.score, self.name) for each in results]


@cache
def _suffixes() -> tldextract.TLDExtract:
    # The list that comes with the package: the network is never asked, nothing is kept on disk.
    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())


def suffix_of(address: str) -> Any:
    """The parts of a host or address by the public suffix list; `fqdn` is empty where there is no known suffix."""
    return _suffixes()(address)


@cache
def _registry() -> dict[str, Any]:
    """Presidio's recognisers as its own registry sets them up (it has all of them ignore case)."""
    presidio: Any = package("presidio_analyzer", extra=EXTRA, stage=STAGE)
    registry = presidio.RecognizerRegistry()
    log = logging.getLogger("presidio-analyzer")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns of each recogniser of another language
    try:
        registry.load_predefined_recognizers(languages=["en"])
    finally:
        log.setLevel(level)
    return {each.name: each for each in registry.recognizers}


def _whole(name: str) -> Any:
    """One of presidio's recognisers by its class; those it does not set up for English are set up as it does others."""
    known = _registry()
    if name not in known:
        known[name] = getattr(package("presidio_analyzer.predefined_recognizers", extra=EXTRA, stage=STAGE), name)()
    return known[name]


@cache
def recogniser(entity: str) -> Recogniser:
    """Presidio's recogniser of an entity. Raises InputError if presidio is not installed."""
    found = _whole(ENTITIES[entity])
    patterns = tuple(
        Pattern(regex.compile(each.regex, flags=found.global_regex_flags), each.score)
        for each in getattr(found, "patterns", ())
    )
    context = tuple(word.lower() for word in found.context or ())
    return Recogniser(entity, ENTITIES[entity], patterns, context, _check_of(found, entity), found)


def _check_of(found: Any, entity: str) -> Callable[[str, float], float]:
    """The score of a match: presidio's checks raise it to 1, or lower it to 0."""
    if entity == "EMAIL_ADDRESS":  # presidio's own asks the network for the list of suffixes
        return lambda value, _: float(suffix_of(value).fqdn != "")

    def check(value: str, score: float) -> float:
        # Digits newer than Python's Unicode, or of scripts that a check does not expect, make presidio's checks raise,
        # and lose the document.
        if entity == "CREDIT_CARD" and not value.replace("-", "").replace(" ", "").isdecimal():
            return 0.0
        try:
            valid = found.validate_result(value)
            wrong = found.invalidate_result(value)
        except (ValueError, LookupError, TypeError):
            return 0.0
        if valid is not None:
            score = 1.0 if valid else 0.0
        return 0.0 if wrong else score

    return check


def pruned(found: Iterable[Found]) -> list[Found]:
    """Without what stands inside another of the same entity with at least its score; in order of entity and start."""
    kept: list[Found] = []
    around: list[Found] = []
    order = sorted(set(found), key=lambda each: (each.entity, each.start, each.start - each.end, -each.score))
    for each in order:
        around = [one for one in around if one.entity == each.entity and one.end >= each.start]
        if not any(one.end >= each.end and one.score >= each.score for one in around):
            kept.append(each)
            around.append(each)
    return kept
