"""Secrets in text: keys of services, private keys, passwords in URLs.

What: prefixes that issuers gave their keys so that they can be found, with enough different characters behind to be
random; blocks of PEM private keys; user and password before the host of a URL.
Costs about 3 ns a byte for each rule: an RE2 pattern over all texts, then Python's pattern on those that have it.
Source: the issuers' documentation of their formats (AWS, GitHub, GitLab, Slack, Google, Stripe, OpenAI, Hugging Face,
npm, PyPI, SendGrid, Twilio); RFC 7468 (PEM); RFC 3986 (userinfo).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.pii.found import Found

__all__ = ["SECRETS", "PatternRule", "find_secrets", "found_by_rules"]

NAME = "PatternRules"
MIN_BITS = 3.0  # of entropy a character: words and runs of one letter have less, random letters and digits 4 to 6


class PatternRule(NamedTuple):
    """What finds an entity: `somewhere` (RE2) tells which texts, `pattern` (Python) where; its first group, if any.

    `random`: what is found must look random.
    """

    entity: str
    somewhere: str
    pattern: str
    score: float
    random: bool = False


_PREFIXES = (
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    r"gh[pousr]_[A-Za-z0-9]{36}",
    r"github_pat_[A-Za-z0-9_]{60,90}",
    r"glpat-[A-Za-z0-9_-]{20}",
    r"xox[abeprs]-[A-Za-z0-9-]{10,250}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,100}",
    r"sk-(?:proj-|ant-|or-|svcacct-)?[A-Za-z0-9_-]{20,200}",
    r"hf_[A-Za-z0-9]{30,40}",
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,300}",
    r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    r"SK[0-9a-f]{32}",
    r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{20,1000}",
)
_STARTS = (
    r"A[KS]IA[A-Z0-9]|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AIza|[srp]k_(live|test)_|sk-|hf_|npm_|pypi-|SG\."
    r"|SK[0-9a-f]{8}|eyJ"
)
_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,20000}"
    r"(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
).pattern
RULES = (
    PatternRule("API_KEY", _STARTS, rf"(?<![A-Za-z0-9_-])(?:{'|'.join(_PREFIXES)})(?![A-Za-z0-9_-])", 0.9, random=True),
    PatternRule("PRIVATE_KEY", "-----BEGIN [A-Z0-9 ]*PRIVATE KEY", _KEY, 1.0),
    PatternRule(
        "URL_CREDENTIALS",
        r"://[^\s/?#@:]{1,256}:[^\s/?#@]{1,256}@",
        r"(?<=://)([^\s/?#@:<>\"']{1,256}:[^\s/?#@<>\"']{1,256})@(?=[\w\[])",
        0.9,
    ),
)
SECRETS = tuple(rule.entity for rule in RULES)


def _bits(value: str) -> float:
    """Shannon entropy of a character of a string, in bits."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _found(text: str, rule: PatternRule) -> list[Found]:
    found = []
    pattern = _compiled(rule.pattern)
    for match in pattern.finditer(text):
        start, end = match.span(pattern.groups and 1)
        if not rule.random or _bits(text[start:end]) >= MIN_BITS:
            found.append(Found(rule.entity, start, end, rule.score, NAME))
    return found


def found_by_rules(texts: pa.LargeStringArray, rules: tuple[PatternRule, ...]) -> dict[int, list[Found]]:
    """What some rules find in each text, by its row; `texts` are valid UTF-8."""
    everything: dict[int, list[Found]] = {}
    for rule in rules:
        match: Any = pc.match_substring_regex(texts, rule.somewhere)
        here: Any = pc.fill_null(match, False)
        for row in pc.indices_nonzero(here).to_pylist():
            found = _found(texts[row].as_py(), rule)
            if found:
                everything.setdefault(row, []).extend(found)
    return everything


def find_secrets(texts: pa.LargeStringArray, entities: tuple[str, ...]) -> dict[int, list[Found]]:
    """Secrets of some entities in each text, by its row; `texts` are valid UTF-8."""
    return found_by_rules(texts, tuple(rule for rule in RULES if rule.entity in entities))
