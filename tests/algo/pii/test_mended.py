"""Each fault of presidio that the default mode mends: presidio has it, the default does not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from datapipe.algo.pii.found import FAST
from datapipe.algo.pii.mended import find_mended, is_luhn
from datapipe.algo.pii.phones import REGIONS
from tests.algo.pii.faults import UNLISTED, counted, faults
from tests.algo.pii.oracle import presidio_answers
from tests.algo.pii.test_like_presidio import texts_of


def mended(text: str, *, public_only: bool = True) -> list[tuple[str, str]]:
    texts = pa.array([text], pa.large_string())
    found = find_mended(texts, tuple(FAST), REGIONS, public_only=public_only).get(0, [])
    return sorted((each.entity, text[each.start : each.end]) for each in found if each.score >= 0.4)


def presidios(text: str) -> list[tuple[str, str]] | None:
    found = presidio_answers(text)
    return None if found is None else sorted((each[0], text[each[1] : each[2]]) for each in found if each[3] >= 0.4)


MISSED = [
    # lost_by_neighbours
    ("邮箱anna.b@example.com联系", ("EMAIL_ADDRESS", "anna.b@example.com")),
    ("卡号4111111111111111。", ("CREDIT_CARD", "4111111111111111")),
    ("地址8.8.8.8上", ("IP_ADDRESS", "8.8.8.8")),
    ("บัตร4111111111111111ครับ", ("CREDIT_CARD", "4111111111111111")),
    ("이메일은anna.b@example.com입니다", ("EMAIL_ADDRESS", "anna.b@example.com")),
    # sentence_end
    ("Write to anna.b@example.com.Then wait", ("EMAIL_ADDRESS", "anna.b@example.com")),
    ("anna.b@example.co.uk.Yours", ("EMAIL_ADDRESS", "anna.b@example.co.uk")),
    # own_network
    ("to anna.b@mail.corp, please", ("EMAIL_ADDRESS", "anna.b@mail.corp")),
    ("邮箱anna.b@posthaus.example联系", ("EMAIL_ADDRESS", "anna.b@posthaus.example")),
    ("ask anna.b@printer.local.Then wait", ("EMAIL_ADDRESS", "anna.b@printer.local")),
    # joined_end
    ("see john@evil.com_vs for", ("EMAIL_ADDRESS", "john@evil.com")),
    ("see john@evil.com2020 for", ("EMAIL_ADDRESS", "john@evil.com")),
    ("see _john@evil.com_ for", ("EMAIL_ADDRESS", "john@evil.com")),
    ("see john@evil.co.uk_ for", ("EMAIL_ADDRESS", "john@evil.co.uk")),
    # url: bars of tables, quotes of code
    ("|name|john@evil.com|jack@evil.com|", ("EMAIL_ADDRESS", "jack@evil.com")),
    ("x='john@evil.com'", ("EMAIL_ADDRESS", "john@evil.com")),
    ("code `a`john@evil.com`", ("EMAIL_ADDRESS", "john@evil.com")),
    # url
    ("https://x.example/?a=1&m=anna.b@example.com&n=2", ("EMAIL_ADDRESS", "anna.b@example.com")),
    # other_card
    ("pay 2223003122003222 now", ("CREDIT_CARD", "2223003122003222")),
    ("pay 213112345678904 now", ("CREDIT_CARD", "213112345678904")),
    ("pay 501800000009 now", ("CREDIT_CARD", "501800000009")),
    ("pay 6222021234567890128 now", ("CREDIT_CARD", "6222021234567890128")),
    ("pay 6222 0212 3456 7890 128 now", ("CREDIT_CARD", "6222 0212 3456 7890 128")),
    # unknown_phone: abroad, named, called
    ("from +447700 921 916 to you", ("PHONE_NUMBER", "+447700 921 916")),
    ("ring +1-984-182-0190 x12 now", ("PHONE_NUMBER", "+1-984-182-0190 x12")),
    ("Phone:\n60-56-85-91\n\nE-mail:", ("PHONE_NUMBER", "60-56-85-91")),
    ("Mobile: 723 813 266", ("PHONE_NUMBER", "723 813 266")),
    ("Desk: 99 577450", ("PHONE_NUMBER", "99 577450")),
    ("Tél. : (37) 788-063", ("PHONE_NUMBER", "(37) 788-063")),
    ("Telefon: 467 3395", ("PHONE_NUMBER", "467 3395")),
    ("电话：8731 2222", ("PHONE_NUMBER", "8731 2222")),
    ("联系电话 62785001", ("PHONE_NUMBER", "62785001")),
    ("416 60 039 office\nnext", ("PHONE_NUMBER", "416 60 039")),
    ("at home\n(37) 788-063-Fax", ("PHONE_NUMBER", "(37) 788-063")),
    ("Can someone call me on 9472 7916? I have", ("PHONE_NUMBER", "9472 7916")),
    ("They're not answering at 78 651 450", ("PHONE_NUMBER", "78 651 450")),
    ("stop messages to 699 956 915.", ("PHONE_NUMBER", "699 956 915")),
    # upper_case_wallet
    ("to BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ", ("CRYPTO", "BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ")),
]
INVENTED = [
    # version
    ("version 1.2.3.4 is out", ("IP_ADDRESS", "1.2.3.4")),
    ("Chrome/91.0.44.124 (X11)", ("IP_ADDRESS", "91.0.44.124")),
    # no_phone
    ("at 1446400000 seconds", ("PHONE_NUMBER", "1446400000")),
]


@pytest.mark.parametrize(("text", "found"), MISSED)
def test_what_presidio_misses_is_found(text: str, found: tuple[str, str]) -> None:
    assert found not in (presidios(text) or [])
    assert found in mended(text)


@pytest.mark.parametrize(("text", "found"), INVENTED)
def test_what_presidio_invents_is_not_found(text: str, found: tuple[str, str]) -> None:
    theirs = presidios(text)
    assert theirs is not None
    assert found[0] != "IP_ADDRESS" or found in theirs
    assert mended(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "section 1.2.3.4.5",
        "std::vector",
        "::",
        "v10.11.12.13",
        "2015-10-12",
        "12/10/2015",
        "1999-2004",
        "20151012102030",
    ],
)
def test_versions_sections_and_dates_are_nobodys(text: str) -> None:
    assert mended(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "we call the 2019 2020 season a success",
        "call on 12345678 users",  # no groups, and no name of a telephone
        "they sold 1200 3000 mobile phones",
        "phone prices rose 250 to 1.250.000",
        "the phone has 1234567 pixels, they say",
        "Mobile: 2019-10-12",
        "price: +1 000 000 dollars, a phone for $ 467 3395",
        "answers 3 to 7, 12 13 14",
        "telephone exchange no. 12",
        "x+y: a+49301234567b",
        "1+44770092191600001 is long",
        "Fax: 1234 5678 9012 3456 7890",
    ],
)
def test_numbers_that_no_words_call_telephones_are_none(text: str) -> None:
    assert [each for each in mended(text) if each[0] == "PHONE_NUMBER"] == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("2606:4700:4700::1111", True),
        ("fe80::1", False),
        ("2001:db8::1", False),
    ],
)
def test_addresses_inside_a_house_are_left_alone_on_request(address: str, public: bool) -> None:  # noqa: FBT001
    assert mended(f"host {address} up") == ([("IP_ADDRESS", address)] if public else [])
    assert mended(f"host {address} up", public_only=False) == [("IP_ADDRESS", address)]


def test_digits_newer_than_python_lose_no_document() -> None:
    text = "\U0001e4f1" * 16 + " 4" + "\U00011f50" * 15 + " a@b.com"
    assert mended(text) == [("EMAIL_ADDRESS", "a@b.com")]


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        ("79927398713", True),
        ("79927398710", False),
        ("4111111111111111", True),
        ("4111111111111112", False),
        ("0", True),
    ],
)
def test_check_digit_of_cards(digits: str, valid: bool) -> None:  # noqa: FBT001
    """The first two are the worked example of ISO/IEC 7812-1's annex as it is taught."""
    assert is_luhn(digits) is valid


@pytest.mark.parametrize(
    "text",
    ["Write anna.b@example.com", "card 4111-1111-1111-1111", "ssn 536-90-4399", "call (415) 555-2671", "ip 8.8.8.8"],
)
def test_plain_cases_are_as_presidio_says(text: str) -> None:
    assert mended(text) == presidios(text) != []


def test_each_example_is_of_a_listed_fault() -> None:
    found = counted([text for text, _ in (*MISSED, *INVENTED)])
    assert found[UNLISTED] == 0
    for fault in (
        "lost_by_neighbours",
        "sentence_end",
        "own_network",
        "joined_end",
        "url",
        "other_card",
        "unknown_phone",
        "version",
        "no_phone",
    ):
        assert found[fault] > 0, fault


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("pii-presidio/synth_dataset_v2.jsonl.gz", ("full_text",)),
        ("extract-wcxb/gold.jsonl.gz", ("main_content", "text")),
        ("raw/c4_demo_300.jsonl.gz", ("text",)),
        ("raw/oiwiki_zh.jsonl.gz", ("text",)),
    ],
)
def test_every_difference_on_real_texts_is_of_a_listed_fault(
    real_data: Path, capsys: pytest.CaptureFixture[str], name: str, keys: tuple[str, ...]
) -> None:
    texts = texts_of(real_data / name, *keys)
    with capsys.disabled():
        print(f"\n{name}: {dict(sorted(counted(texts).items()))}")  # noqa: T201
    assert [key for fault, key in faults(texts) if fault == UNLISTED] == []
