"""Texts as the models of ccnet were trained on them, and with the characters of some scripts as words.

What: lower case, no accents, each digit a 0, Unicode punctuation as ASCII, no control characters. Two things differ
from ccnet's Python: every Unicode space is a space (ccnet counts words by it, yet its model takes no other than
ASCII's for one), and a capital sigma is σ wherever it stands.
Costs: 31 MB/s of English; with characters as words, see the stage's header. Some copies of the batch's text.
Source: Wenzek et al. 2020 (ccnet), whose normaliser takes its punctuation from Moses.
"""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

COMPUTE: Any = pc  # its stubs know no utf8_normalize
# A class of characters, and what stands for each. Digits are replaced before.
PUNCTUATION = (
    ("[，、]", ","),
    ("。", "."),
    ("[„”“«»」「《》]", '"'),
    ("[´’]", "'"),
    ("[∶：]", ":"),
    ("？", "?"),
    ("！", "!"),
    ("（", "("),
    ("）", ")"),
    ("；", ";"),
    ("[–━►]", "-"),
    ("—", " - "),
    ("．", ". "),
    ("～", "~"),
    ("…", "..."),
    ("〈", "<"),
    ("〉", ">"),
    ("【", "["),
    ("】", "]"),
    ("％", "%"),
)
ANY_PUNCTUATION = "[" + "".join(characters.strip("[]") for characters, _ in PUNCTUATION) + "]"
# Marks are put in order when texts are decomposed, in time that grows with the square of how many stand together: those
# that go anyway go before, and what spacing marks stand in longer runs than any language has are cut.
MANY_MARKS = r"(\p{Mc}{32})\p{Mc}+"
CONTROL_BUT_LINE_FEEDS = r"[\x00-\x09\x0b-\x1f\x7f-\x{9f}]"
SPACES = r"[\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"  # but for ASCII's
CHARACTERS = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}])"


def normalised(texts: Any) -> Any:
    """Texts (large_string) in normal form, line by line; null stays null."""
    texts = _replaced(_replaced(texts, r"\p{Mn}", ""), MANY_MARKS, r"\1")
    texts = COMPUTE.utf8_normalize(COMPUTE.utf8_lower(texts), "NFD")
    texts = _replaced(texts, r"\p{Mn}", "")
    texts = _replaced(texts, r"\p{Nd}", "0")
    if _any(texts, ANY_PUNCTUATION):
        for characters, ascii_form in PUNCTUATION:
            texts = _replaced(texts, characters, ascii_form)
    texts = _replaced(texts, CONTROL_BUT_LINE_FEEDS, "")
    return _replaced(texts, SPACES, " ")


def by_characters(texts: Any) -> Any:
    """Texts with each character of scripts that set no spaces as a word; null stays null."""
    return _replaced(texts, CHARACTERS, r" \1 ")


def on_one_line(texts: Any, *, normal: bool) -> Any:
    """Texts without line feeds: in ccnet's normal form they vanish with other control characters, else are spaces."""
    return pc.replace_substring(texts, "\n", "" if normal else " ")


def _any(texts: Any, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())


def _replaced(texts: Any, pattern: str, by: str) -> Any:
    return pc.replace_substring_regex(texts, pattern, by)
