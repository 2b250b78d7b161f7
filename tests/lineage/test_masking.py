"""What is shown of documents holds no personal data that a pattern can tell, and nothing that a terminal obeys."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.lineage import escape, excerpt, mask, mask_url, safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("write to jane.doe+x@mail.example.org.", "write to [e-mail]."),
        ("jane＠例え.jp", "[e-mail]"),
        ("call +49 (30) 1234-5678 now", "call [number] now"),
        ("(555) 010-9999", "[number]"),
        ("电话：13800138000。", "电话：[number]。"),
        ("card 4111 1111 1111 1111", "card [number]"),
        ("SSN 078-05-1120", "SSN [number]"),
        ("id 11010519491231002X", "id [number]"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [account]"),
        ("GB29NWBK60161331926819", "[account]"),
        ("see ftp://joe:secret@host/file", "see ftp://[user]@host/file"),
        ("full-width １２３４５６７８", "full-width [number]"),
    ],
)
def test_personal_data_is_masked(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "on 2026-11-04 and 4.12.1999",
        "1999/12/31",
        "12:30:45",
        "1,234,567 documents",
        "3.1415",
        "version 1.2.3",
        "in 1984 and 2001",
        "abc1234567def",
        "3e6ec0a1b2c34567890abcdef0123456",
    ],
)
def test_dates_counts_and_words_with_digits_stay(text: str) -> None:
    assert mask(text) == text


def test_a_number_after_a_date_is_masked() -> None:
    assert mask("2026-11-04 0301234567") == "2026-11-04 [number]"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://joe:pw@example.org/a", "https://[user]@example.org/a"),
        ("https://joe@work:p@w@example.org/", "https://[user]@example.org/"),
        ("https://example.org/?to=a.b%40c.example&n=1", "https://example.org/?to=[e-mail]&n=1"),
        ("https://example.org/2026/11/04/12345678.html", "https://example.org/2026/11/04/12345678.html"),
        ("https://example.org/\x1b[2J\u202egnp", "https://example.org/\\x1b[2J\\u202egnp"),
    ],
)
def test_urls_lose_their_user_and_keep_their_digits(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_controls_and_turns_of_direction_are_written_out_and_lines_stay() -> None:
    assert (
        escape("a\x1b]0;x\x07\r\n\tb\u202ec\u200bd\ufeff\x9b")
        == "a\\x1b]0;x\\x07\\x0d\n\tb\\u202ec\\u200bd\\ufeff\\x9b"
    )
    assert escape("\U000e0041") == "\\U000e0041"
    assert escape("a\n\n b", lines=False) == "a b"


@given(st.text())
def test_what_is_shown_holds_no_control_but_tab_and_line_feed(text: str) -> None:
    shown = safe(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert not any(c in shown for c in "\x7f\x9b\u202a\u202e\u2066\u200b")


def test_what_stands_in_a_script_stays_readable() -> None:
    text = "日本語 العربية हिन्दी क्‍ष 👩‍👩‍👧 é"
    assert safe(text) == text


def test_masking_takes_time_linear_in_the_text() -> None:
    began = time.perf_counter()
    for hostile in ("1-" * 50_000, "a." * 50_000, "AA11" * 25_000, "://" + "@" * 50_000, "12 " * 50_000):
        mask(hostile)
    assert time.perf_counter() - began < 2


def test_an_excerpt_is_cut_from_what_is_masked_already() -> None:
    assert excerpt(safe("tel 0301234567 end"), 10) == "tel [numbe …"
    assert excerpt("abcdef", 3, 2) == "… cde …"
    assert excerpt("ab", 3) == "ab"
