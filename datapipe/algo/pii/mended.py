"""Presidio's recognisers with their known faults mended.

What is mended, each with its test in tests/algo/pii/test_mended.py:
- `lost_by_neighbours`: nothing is found that touches a letter of a script without spaces (`邮箱a@b.com联系`), since all
  letters are word characters to presidio; here those letters end a word. An address of such letters alone is not found.
- `sentence_end`: an e-mail address before a missing space (`a@b.com.Then`) is lost, as `Then` is no public suffix.
- `own_network`: an e-mail address at a host of a house's own (`ann@mail.corp`, `.local`, `.example`) is lost, as none
  of these is a public suffix.
- `joined_end`: an e-mail address to whose end more is joined (`_a@b.com_`, `a@b.com2020`) is lost.
- `url`: the path and query of a URL before an e-mail address, bars and marks of Markdown and quotes of code are taken
  for its first part.
- `other_card`: cards of 18 and 19 digits, in fours with a shorter end, of 12 (Maestro), and of some issuers are missed.
- `upper_case_wallet`: `BC1...` in capitals is as valid as `bc1...`.
- `version`: numbers of versions and sections (`version 1.2.3.4`, `Chrome/91.0.4472.124`, `1.2.3.4.5`) and `::` are no
  addresses of anybody; private and reserved addresses are left alone on request.
- `unknown_phone`: numbers of other countries, local ones and those not assigned yet, where a plus sign or the words
  beside them say that they are telephone numbers (`Mobile: 723 813 266`; datapipe.algo.pii.phone_words).
- `no_phone`: telephone numbers of fewer than seven digits, times in seconds since 1970, dates, dotted fours.
- `raises`: digits newer than Python's Unicode make presidio raise, and the document is lost; here they are no match.
Costs what `finder` costs; texts with candidates and letters of such scripts are copied once more.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from datapipe.algo.pii.chinese import is_born_somewhere
from datapipe.algo.pii.classes import spaceless
from datapipe.algo.pii.context import with_context
from datapipe.algo.pii.finder import Places, matches, scanned, scans_of
from datapipe.algo.pii.found import Found
from datapipe.algo.pii.phone_words import phones_by_words, worded
from datapipe.algo.pii.recognisers import pruned, recogniser, suffix_of
from datapipe.algo.pii.scan import scan_crypto, scan_emails
from datapipe.algo.pii.scan_numbers import CARD, scan_numbers

__all__ = ["find_mended", "is_luhn"]

MIN_PHONE_DIGITS = 7
MOST_OF_DOMAIN = 253  # characters (RFC 1035)
FULL_STOP = 0x3002  # no word character, no Latin letter, no punctuation of telephone numbers

_NO_DIGIT = re.compile(r"[^0-9]+")
_NO_PHONES = re.compile(
    r"1[0-9]{9}(?:[0-9]{3})?"  # seconds or milliseconds since 1970, from 2001 to 2033
    r"|(?:19|20)\d\d[-/. ]?(?:0?[1-9]|1[0-2])[-/. ]?(?:0?[1-9]|[12]\d|3[01])(?:[-_ T.]?\d{2,6})?"
    r"|(?:0?[1-9]|[12]\d|3[01])[-/. ](?:0?[1-9]|[12]\d|3[01])[-/. ](?:19|20)\d\d"
    r"|(?:19|20)\d\d ?[-–/ ] ?(?:19|20)\d\d"
    r"|\d{1,3}(?:\.\d{1,5}){3}"
)
# Cards that presidio's pattern leaves out: of 16 to 19 digits, MasterCard's 2221 to 2720, JCB's of 15, Maestro's of 12.
_OTHER_CARD = re.compile(
    r"(?:[3-6]\d{3}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|[3-6]\d{15,18}|9\d{18}"
    r"|2[2-7]\d{2}([ -]?)\d{4}\2\d{4}\2\d{4}|(?:2131|1800)\d{11}|(?:50|5[6-8]|63|67)\d{10})(?![0-9A-Za-z_])"
)
# Names that end no public host: special-use (RFC 6761, 6762, 7686, 9476), and those that houses give their own.
_OWN_NETWORK = frozenset(
    {"example", "test", "invalid", "local", "localdomain", "internal", "intranet"}
    | {"lan", "home", "corp", "private", "onion", "alt"}
)
_JOINED = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?=[_0-9-])")
_NO_NAME = "/?=&|`*{}$^~"  # allowed in names of mailboxes, and hardly ever there
_WALLET = re.compile(r"BC1[02-9AC-HJ-NP-Z]{11,71}(?![0-9A-Za-z])")
_BEFORE_VERSION = re.compile(
    r"(?:\b(?:v|ver|version|release|build|firmware|section)[. ]{0,2}|[a-z]/|[0-9]\.)$", re.IGNORECASE
)
_AFTER_VERSION = re.compile(r"\.[0-9]|-?(?:alpha|beta|rc)[0-9]", re.IGNORECASE)


def is_luhn(digits: str) -> bool:
    """Whether the check digit of a card number fits: every second digit from the right is doubled (ISO/IEC 7812-1)."""
    total = 0
    for at, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + at % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _emails(text: str, places: Places, found: list[Found]) -> list[Found]:
    """Addresses cut back, label by label, to the longest with a public suffix or one of a house's own network."""
    who = recogniser("EMAIL_ADDRESS")
    known = {each.start for each in found}
    more = [each._replace(start=_after_url(text, each)) for each in found]
    for start, end, at in places[scan_emails].tolist():
        if start in known:
            continue
        sign = text.find("@", start, end) if at >= len(text) or text[at : at + 1] != "@" else at
        stop = min(end, sign + 1 + MOST_OF_DOMAIN)
        while stop > sign and not _is_host(text[sign + 1 : stop]):
            stop = text.rfind(".", sign, stop)
        stop = max(stop, _joined_end(text, sign, min(end, sign + 1 + MOST_OF_DOMAIN)))
        if stop > sign and "." in text[sign:stop]:
            cut = Found(who.entity, start, stop, 1.0, who.name)
            more.append(cut._replace(start=_after_url(text, cut)))
    return more


def _joined_end(text: str, sign: int, end: int) -> int:
    """Where a host ends to which more is joined (`mail.com_vs`, `mail.com2020`); `sign` where there is none."""
    domain = _JOINED.match(text, sign + 1, end)
    return domain.end() if domain is not None and _is_host(domain[0]) else sign


def _is_host(name: str) -> bool:
    return suffix_of(name).fqdn != "" or name.rpartition(".")[2].lower() in _OWN_NETWORK


def _after_url(text: str, each: Found) -> int:
    """Where an address begins behind what presidio takes for its first part: of a URL, of Markdown, of code."""
    sign = text.index("@", each.start)
    last = max(text.rfind(mark, each.start, sign) for mark in _NO_NAME)
    start = last + 1 if last + 1 < sign and last >= each.start else each.start
    while start + 1 < sign and (text[start] == "'" or (text[start] == "_" and text[each.end : each.end + 1] == "_")):
        start += 1
    return start


def _cards(text: str, places: Places, found: list[Found]) -> list[Found]:
    """Cards that presidio's pattern leaves out, too, but no Chinese resident ids."""
    who = recogniser("CREDIT_CARD")
    known = {each.start for each in found}
    more = []
    rows = places[scan_numbers]
    for start in rows[rows[:, 2] == CARD, 0].tolist():
        match = None if start in known else _OTHER_CARD.match(text, start)
        if match is None:
            continue
        digits = _NO_DIGIT.sub("", match[0])
        if digits.isascii() and is_luhn(digits) and len(set(digits)) > 1:
            more.append(Found(who.entity, start, match.end(), 1.0, who.name))
    return [each for each in found + more if not is_born_somewhere(text[each.start : each.end])]


def _wallets(text: str, places: Places, found: list[Found]) -> list[Found]:
    who = recogniser("CRYPTO")
    more = [
        Found(who.entity, match.start(), match.end(), 1.0, who.name)
        for start, end, _ in places[scan_crypto].tolist()
        for match in _WALLET.finditer(text, start, end)
        if who.check(match[0].lower(), 0.5) > 0
    ]
    return found + more


def _addresses(text: str, _places: Places, found: list[Found]) -> list[Found]:
    return [each for each in found if not _is_version(text, each) and text[each.start : each.end] != "::"]


def _is_version(text: str, each: Found) -> bool:
    return (
        _BEFORE_VERSION.search(text[max(0, each.start - 14) : each.start]) is not None
        or _AFTER_VERSION.match(text, each.end) is not None
    )


def _phones(text: str, _places: Places, found: list[Found]) -> list[Found]:
    return [each for each in found if _is_phone(text[each.start : each.end])]


def _is_phone(value: str) -> bool:
    digits = sum(map(str.isdecimal, value))
    return digits >= MIN_PHONE_DIGITS and _NO_PHONES.fullmatch(value) is None


_MENDS: dict[str, Callable[[str, Places, list[Found]], list[Found]]] = {
    "EMAIL_ADDRESS": _emails,
    "PHONE_NUMBER": _phones,
    "IP_ADDRESS": _addresses,
    "CREDIT_CARD": _cards,
    "CRYPTO": _wallets,
}


def is_public(value: str) -> bool:
    """Whether an address, with or without a zone or the length of a prefix, can be reached from anywhere."""
    return ipaddress.ip_interface(value.partition("%")[0]).ip.is_global


def _apart(text: str) -> str:
    """The text with letters of scripts without spaces made full stops, character for character."""
    if text.isascii():
        return text
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    touching = spaceless(points)
    if not touching.any():
        return text
    return np.where(touching, np.uint32(FULL_STOP), points).tobytes().decode("utf-32-le")


def find_mended(
    texts: pa.LargeStringArray, entities: tuple[str, ...], regions: tuple[str, ...], *, public_only: bool
) -> dict[int, list[Found]]:
    """What is found in each text, by its row; `entities` have a fast path, `texts` are valid UTF-8."""
    everything: dict[int, list[Found]] = {}
    for each in scanned(texts, scans_of(entities), mended=True, regions=regions):
        apart = _apart(each.text)
        found: list[Found] = []
        for entity in entities:
            some = matches(apart, each.places, entity, regions)
            if entity == "PHONE_NUMBER":  # by words, which may be of those letters
                some = phones_by_words(each.text, each.places[worded][:, :2].tolist(), some)
            found += _MENDS.get(entity, _as_they_are)(apart, each.places, some)
        if public_only:
            found = [one for one in found if one.entity != "IP_ADDRESS" or is_public(apart[one.start : one.end])]
        if found:
            everything[each.row] = pruned(with_context(each.text, pruned(found)))
    return everything


def _as_they_are(_text: str, _places: Places, found: list[Found]) -> list[Found]:
    return found
