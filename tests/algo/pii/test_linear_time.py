"""Time grows with the text, whatever stands in it: shown by doubling."""

from __future__ import annotations

import json
import time
from typing import Any

import pyarrow as pa
import pytest

from datapipe.algo.pii.detector import Wanted, detect
from datapipe.algo.pii.masking import Rules, mask_json, mask_texts
from datapipe.algo.pii.phones import REGIONS
from stages.mask.pii import ENTITIES

WANTED = Wanted(ENTITIES, REGIONS, 0.4, faithful=False, public_only=True)
SHAPES = {
    "digits": "1234567890",
    "ats": "@",
    "colons": "::",
    "letters": "a1",
    "near_mails": "a@b.c ",
    "near_mails_joined": "a.b@",
    "near_cards": "4111111111111112 ",
    "near_phones": "020 7946 ",
    "plus_numbers": "+123456789 ",
    "named_numbers": "Phone: 723 813 26 ",
    "called_numbers": "call me, text me at 12 34 5 ",
    "near_addresses": "1.2.3.256 ",
    "near_accounts": "DE89370400440532013001 ",
    "joined_addresses": "8.8.8.8,",
    "near_keys": "sk-aaaaaaaaaaaaaaaaaaaaaa ",
    "near_key_blocks": "-----BEGIN PRIVATE KEY-----",
    "credentials": "://a:b",
    "words_with_colons": "ip:8.8.8.8 ",
    "labels": "a@b.c.d.e.f.g",
    "ids": "11010519491231002X",
}


def seconds(shape: str, size: int, wanted: Wanted = WANTED) -> float:
    unit = SHAPES[shape]
    texts = pa.array([unit * (size // len(unit))], pa.large_string())
    began = time.process_time()
    detect(texts, wanted)
    return time.process_time() - began


@pytest.mark.parametrize("shape", SHAPES)
def test_time_doubles_with_the_text(shape: str) -> None:
    seconds(shape, 2_000)
    small, large = (min(seconds(shape, size) for _ in range(2)) for size in (6_000, 24_000))
    assert large < 8 * small + 0.05, f"{small:.3f} s, then {large:.3f} s for four times as much"


MASKED = {
    "escaped_mails": "jo@example.org ja%40example.org ",
    "phones_by_words": "Phone: 723 813 266, jo@example.org\n",
    "names": "",  # JSON whose names become one placeholder
}


def seconds_masked(shape: str, size: int) -> float:
    if shape == "names":
        text = json.dumps({f"ann{at}@example.org": at for at in range(size // 24)})
    else:
        text = MASKED[shape] * (size // len(MASKED[shape]))
    texts: Any = pa.array([text], pa.large_string())
    began = time.process_time()
    made, _ = (mask_json if shape == "names" else mask_texts)(texts, Rules(WANTED, {}, b""))
    assert len(made[0].as_py()) < 2 * len(text)
    return time.process_time() - began


@pytest.mark.parametrize("shape", MASKED)
def test_masking_takes_time_as_the_text_grows(shape: str) -> None:
    seconds_masked(shape, 5_000)
    small, large = (min(seconds_masked(shape, size) for _ in range(2)) for size in (40_000, 320_000))
    assert large < 16 * small, f"{small:.3f} s, then {large:.3f} s for eight times as much"


@pytest.mark.full
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("faithful", [False, True])
@pytest.mark.parametrize("shape", ["digits", "ats", "near_mails", "near_cards", "near_phones"])
def test_ten_megabytes_and_a_million_near_matches(shape: str, faithful: bool) -> None:  # noqa: FBT001
    wanted = WANTED._replace(faithful=faithful)
    seconds(shape, 2_000, wanted)
    half, whole = (seconds(shape, size, wanted) for size in (5_000_000, 10_000_000))
    assert whole < 3 * half + 0.5, f"{half:.1f} s, then {whole:.1f} s"
