"""Personal data of China that presidio does not know: resident ids, mobile numbers, licence plates.

What: a resident id is 17 digits (region, birthday, order) and a check digit (GB 11643-1999; ISO 7064 MOD 11-2); a
mobile number has eleven digits, 13 to 19 first, plain or as 3-4-4, with or without +86. As eleven digits are many
things elsewhere, a mobile number counts only with +86 or where Chinese stands within 40 characters. Neighbours may be
anything but letters, digits and underscores of ASCII: Chinese needs no spaces.
Costs 1 ns a byte for the numbers, 3 for the plates (an RE2 pattern over all texts), some microseconds a candidate.
"""

from __future__ import annotations

import calendar
import re

import pyarrow as pa

from datapipe.algo.pii.classes import Classes
from datapipe.algo.pii.finder import scanned
from datapipe.algo.pii.found import Found
from datapipe.algo.pii.scan import put
from datapipe.algo.pii.secrets import PatternRule, found_by_rules
from datapipe.text.buffers import BytesView
from datapipe.text.jit import Int64s, Uint8s, inlined, kernel

__all__ = ["CHINESE", "find_chinese", "is_born_somewhere", "is_resident_id"]

NUMBERS = "ChineseNumbers"
NEAR = 40  # characters in which Chinese makes a number of eleven digits a telephone

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_DIGITS = "10X98765432"  # by the weighted sum modulo 11
# The first two digits: provinces, Taiwan, Hong Kong, Macao, residents from there, and foreigners.
REGIONS = frozenset(
    str(code)
    for codes in (range(11, 16), range(21, 24), range(31, 38), range(41, 47), range(50, 55), range(61, 66))
    for code in (*codes, 71, 81, 82, 83, 91)
)
YEARS = range(1850, 2100)

_ID = re.compile(r"[1-9][0-9]{16}[0-9Xx](?![0-9A-Za-z_])")
_MOBILE = re.compile(r"1[3-9][0-9](?:[0-9]{8}|([ -])[0-9]{4}\1[0-9]{4})(?![0-9A-Za-z_]|\.[0-9])")
_AFTER_CODE = re.compile(r"86[ -]?1[3-9][0-9](?:[0-9]{8}|([ -])[0-9]{4}\1[0-9]{4})(?![0-9A-Za-z_])")
_CODE = re.compile(r"(?:\+|00)86[ -]?$|(?<![0-9A-Za-z_])86[ -]$")
_HAN = re.compile("[\u3400-\u9fff]")

# Provinces' signs, a letter for the city, five characters (six for electric cars) without I and O.
_PLATE = (
    "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
    "[A-HJ-NP-Z][·• ]?(?:[DF][A-HJ-NP-Z0-9][0-9]{4}|[0-9]{5}[DF]|[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳])"
)
PLATES = PatternRule("CN_LICENSE_PLATE", _PLATE, rf"{_PLATE}(?![0-9A-Za-z])", 0.7)
_RECORD = "(?:病历号|病案号|住院号|门诊号|(?i:\\bMRN\\b)|(?i:medical record (?:number|no)))"
_INSURANCE = (
    "(?:医保卡?号|医疗保险号|社保卡?号|社会保障号|"
    "(?i:health insurance (?:number|no|id))|(?i:insurance (?:member|policy) (?:number|no|id)))"
)
_AFTER = r"[码]?(?:是|为| is)?[.:：#＃ \t|=\"']{0,4}([A-Z]{0,3}-?[0-9][0-9A-Z-]{4,18}[0-9A-Z])(?![0-9A-Za-z])"
RECORDS = PatternRule("MEDICAL_RECORD", _RECORD, f"{_RECORD}{_AFTER}", 0.7)
INSURANCES = PatternRule("HEALTH_INSURANCE", _INSURANCE, f"{_INSURANCE}{_AFTER}", 0.7)
RULES = (PLATES, RECORDS, INSURANCES)
CHINESE = ("CN_RESIDENT_ID", "CN_MOBILE", *(rule.entity for rule in RULES))


def is_born_somewhere(value: str) -> bool:
    """Whether the first digits of 18 characters name a region and a day, as those of a resident id do."""
    if len(value) != 18 or not value[:17].isdecimal() or not value.isascii() or value[:2] not in REGIONS:
        return False
    year, month, day = int(value[6:10]), int(value[10:12]), int(value[12:14])
    return year in YEARS and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


def is_resident_id(value: str) -> bool:
    """Whether 18 characters are a resident id: region, day, and the check digit of GB 11643-1999."""
    if not is_born_somewhere(value):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(value, WEIGHTS, strict=False))
    return value[17].upper() == CHECK_DIGITS[total % 11]


@inlined
def _is_word(data: Uint8s, i: int) -> bool:
    byte = data[i]
    word: bool = (byte >= 48 and byte <= 57) or (byte | 32 >= 97 and byte | 32 <= 122) or byte == 95
    return word


@kernel
def _scan(view: BytesView, table: Classes, found: Int64s) -> int:  # noqa: ARG001 - all scans take the same
    """Runs of digits that an id, a mobile number or its first group can start with, by how long they are."""
    data, k = view.data, 0
    for x in range(len(view.starts)):
        origin, end = view.starts[x], view.ends[x]
        i = origin
        while i < end:
            if data[i] < 48 or data[i] > 57:
                i += 1
                continue
            start = i
            while i < end and data[i] >= 48 and data[i] <= 57:
                i += 1
            count = i - start
            if start > origin and _is_word(data, start - 1):
                continue
            is_id = count == 17 or count == 18  # noqa: PLR1714 - numba has no sets here
            is_mobile = data[start] == 49 and (count == 3 or count == 11)  # noqa: PLR1714 - numba has no sets here
            if is_id or is_mobile or count == 13:
                k = put(found, k, x, start - origin, i - origin, count)
    return k


def _mobile(text: str, start: int, count: int) -> Found | None:
    """The mobile number that starts with a run of digits, its country code included."""
    match = _AFTER_CODE.match(text, start) if count == 13 else _MOBILE.match(text, start)
    if match is None:
        return None
    before = text[max(0, start - 6) : start]
    code = _CODE.search(before)
    first = start - len(code[0]) if code else start
    plus = count == 13 and before.endswith("+")
    if not (code or plus or _HAN.search(text, max(0, start - NEAR), match.end() + NEAR)):
        return None
    return Found("CN_MOBILE", first - plus, match.end(), 0.9 if code or plus else 0.7, NUMBERS)


def _number(text: str, start: int, count: int) -> Found | None:
    if count >= 17:
        match = _ID.match(text, start)
        return Found("CN_RESIDENT_ID", start, match.end(), 1.0, NUMBERS) if match and is_resident_id(match[0]) else None
    return _mobile(text, start, count)


def find_chinese(texts: pa.LargeStringArray, entities: tuple[str, ...]) -> dict[int, list[Found]]:
    """What is found in each text, by its row; `texts` are valid UTF-8."""
    everything: dict[int, list[Found]] = {}
    if not {"CN_RESIDENT_ID", "CN_MOBILE"}.isdisjoint(entities):
        for row, text, places in scanned(texts, (_scan,), mended=True):
            numbers = (_number(text, start, count) for start, _, count in places[_scan].tolist())
            found = [each for each in numbers if each is not None and each.entity in entities]
            if found:
                everything[row] = found
    for row, found in found_by_rules(texts, tuple(rule for rule in RULES if rule.entity in entities)).items():
        everything[row] = everything.get(row, []) + found
    return everything
