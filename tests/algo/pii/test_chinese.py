"""Chinese ids, mobile numbers, plates and health numbers."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pyarrow as pa
import pytest

from datapipe.algo.pii.chinese import CHINESE, find_chinese, is_resident_id


def found(text: str) -> list[tuple[str, str]]:
    each = find_chinese(pa.array([text], pa.large_string()), CHINESE).get(0, [])
    return [(one.entity, text[one.start : one.end]) for one in each]


# Check digits worked out by the recurrence of ISO 7064 MOD 11-2 (p = 2(p + digit) mod 11), not by weights; the first is
# the example printed in GB 11643-1999.
VALID = ("11010519491231002X", "440524188001010014", "11010519491231002x")


@pytest.mark.parametrize("value", VALID)
def test_valid_ids_are_found(value: str) -> None:
    assert is_resident_id(value)
    for frame in ("身份证号{}，请核对", "ID {} ok", "{}", "证{}号"):
        assert ("CN_RESIDENT_ID", value) in found(frame.format(value))


@pytest.mark.parametrize(
    "value",
    [
        *("110105194912310021", "440524188001010015", "010105194912310029"),  # check digit, region
        *("11010519491331002X", "110105194902300025", "11010519491231002"),  # month, 30 February, short
    ],
)
def test_invalid_ids_are_none(value: str) -> None:
    assert not is_resident_id(value)
    assert ("CN_RESIDENT_ID", value) not in found(f"身份证{value}。")


def check_digit(body: str) -> str:
    """ISO 7064 MOD 11-2 by its recurrence."""
    product = 0
    for digit in body:
        product = (product + int(digit)) * 2 % 11
    return "0123456789X"[(12 - product) % 11]


def resident_id(chance: random.Random) -> str:
    day = date(1930, 1, 1) + timedelta(days=chance.randrange(34_000))
    region = chance.choice(("110105", "440524", "510107", "650102", "830000"))
    body = f"{region}{day:%Y%m%d}{chance.randrange(1000):03}"
    return body + check_digit(body)


def test_of_generated_ids_and_numbers_all_valid_ones_are_found_and_no_other() -> None:
    chance = random.Random(3)
    frames = ("身份证号{}，请核对", "电话：{}。", "{}是我的", "我的号码{}")
    for turn in range(400):
        frame = frames[turn % len(frames)]
        valid = resident_id(chance)
        assert ("CN_RESIDENT_ID", valid) in found(frame.format(valid))
        wrong = valid[:17] + chance.choice([sign for sign in "0123456789X" if sign != valid[17]])
        assert found(frame.format(wrong)) == []
        mobile = f"1{chance.choice('3456789')}{chance.randrange(10**9):09}"
        assert found(frame.format(mobile)) == [("CN_MOBILE", mobile)]
        assert found(frame.format("12" + mobile[2:])) == []
        assert found(frame.format(mobile + "0")) == []


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("手机13812345678", ["13812345678"]),
        ("手机138-1234-5678或138 1234 5678", ["138-1234-5678", "138 1234 5678"]),
        ("ring +86 138 1234 5678 now", ["+86 138 1234 5678"]),
        ("ring +8613812345678 now", ["+8613812345678"]),
        ("ring 0086-13812345678 now", ["0086-13812345678"]),
        ("order 13812345678 shipped", []),  # no Chinese near
        ("编号x13812345678", []),
        ("价格13812345678.50元", []),
        ("手机12812345678", []),
    ],
)
def test_mobile_numbers(text: str, values: list[str]) -> None:
    assert found(text) == [("CN_MOBILE", value) for value in values]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("车牌京A12345。", [("CN_LICENSE_PLATE", "京A12345")]),
        ("车牌沪A·D12345", [("CN_LICENSE_PLATE", "沪A·D12345")]),
        ("在京A股市场", []),
        ("病历号：A123456", [("MEDICAL_RECORD", "A123456")]),
        ("MRN: 00123456", [("MEDICAL_RECORD", "00123456")]),
        ("医保号 3101051234567", [("HEALTH_INSURANCE", "3101051234567")]),
        ("MRN is a number", []),
    ],
)
def test_plates_and_health_numbers(text: str, expected: list[tuple[str, str]]) -> None:
    assert [each for each in found(text) if each[0] != "CN_MOBILE"] == expected
