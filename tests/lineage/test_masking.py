"""What is shown of documents holds no personal data that a pattern can tell, and nothing that a terminal obeys."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.lineage import escape, excerpt, mask, mask_url, masking, safe


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from 81.2.69.142 at night", "from [address] at night"),
        ("车牌京A8K312停在门口", "车牌[number]停在门口"),
        ("病历号：B2034567，", "病历号：[number]，"),
        ("pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa now", "pay [account] now"),
        ("token ghp_a8K2mQ9xT4vB7nR1cW5yE3uJ6hL0pS2dF8gZ", "token [secret]"),
        ('{"to": "jane\\u0040example.org"}', '{"to": "[e-mail]"}'),
        ("https://example.org/?tel=%2B49+30+90182233&n=1", "https://example.org/?tel=[number]&n=1"),
    ],
)
def test_what_is_shown_is_masked_for_all_that_the_stage_knows(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "line",
    [
        "shard 3e6ec0a1b2c34567-0000 of CC-MAIN-20201020012345-20201020042345-00123.warc.gz, row 1234567",
        "r.yaml:12: stages.a.least: must be at most 9007199254740992, not 12345678901234567",
        "presidio 2.2.366 at 10:30:00 on 2026-11-25, 17.5 MB/s",
    ],
)
def test_numbers_of_our_own_lines_stay(line: str) -> None:
    assert mask_url(line) == line


def test_without_presidio_the_other_patterns_are_left_and_that_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(masking, "find_spec", lambda name: None if name == "presidio_analyzer" else name)
    masking._finder.cache_clear()
    try:
        shown = [mask("write to jane@example.org"), mask("call 0301234567"), mask("AKIA2E0A8F3B244C9986 at 81.2.69.1")]
    finally:
        masking._finder.cache_clear()
    assert shown == ["write to [e-mail]", "call [number]", "[secret] at 81.2.69.1"]
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "presidio_analyzer is not installed" in told
    assert "pip install 'datapipe[pii]'" in told
