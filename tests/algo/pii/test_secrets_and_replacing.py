"""Secrets, and what stands where personal data stood."""

from __future__ import annotations

import random
import string
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.pii.found import Found
from datapipe.algo.pii.replacing import ACTIONS, Span, check_value, merged, replaced, secret_of
from datapipe.algo.pii.risk import RISKS
from datapipe.algo.pii.secrets import SECRETS, find_secrets
from datapipe.errors import InputError

SECRET = b"sixteen bytes at least"
CHANCE = random.Random(5)


def mixed(size: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(CHANCE.choice(letters) for _ in range(size))


KEYS = (
    "AKIA" + mixed(16, string.ascii_uppercase + string.digits),
    "ghp_" + mixed(36),
    "glpat-" + mixed(20),
    "xoxb-" + mixed(40),
    "AIza" + mixed(35),
    "sk_live_" + mixed(24),
    "sk-proj-" + mixed(60),
    "hf_" + mixed(34),
    "npm_" + mixed(36),
    "SG." + mixed(22) + "." + mixed(43),
)


def secrets(text: str) -> list[tuple[str, str]]:
    found = find_secrets(pa.array([text], pa.large_string()), SECRETS).get(0, [])
    return [(each.entity, text[each.start : each.end]) for each in found]


@pytest.mark.parametrize("key", KEYS)
def test_keys_with_a_known_prefix_are_found(key: str) -> None:
    for frame in ("key={}", '"{}"', "密钥{}。", "`{}`\n"):
        assert secrets(frame.format(key)) == [("API_KEY", key)]


@pytest.mark.parametrize(
    "text", ["ghp_" + "a" * 36, "task-oriented-language-models-are", "sk-" + "x" * 30, "AKIA1", "x" + KEYS[0]]
)
def test_what_is_not_random_or_starts_inside_a_word_is_no_key(text: str) -> None:
    assert secrets(text) == []


def test_private_keys_go_whole_even_when_cut_off() -> None:
    body = "\n".join(mixed(64) for _ in range(5))
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"
    assert secrets(f"a\n{key}\nb") == [("PRIVATE_KEY", key)]
    assert secrets(f"-----BEGIN PRIVATE KEY-----\n{body}") == [("PRIVATE_KEY", f"-----BEGIN PRIVATE KEY-----\n{body}")]
    assert secrets("-----BEGIN PUBLIC KEY-----\nabc") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("postgres://bob:hunter2@db.example.org/x", "bob:hunter2"),
        ("clone https://user:p%40ss@git.example/a.git", "user:p%40ss"),
        ("https://user@example.org/", None),
        ("https://example.org:8080/@me", None),
        ("https://example.org/a:b@c", None),
    ],
)
def test_user_and_password_of_a_url(text: str, found: str | None) -> None:
    assert secrets(text) == ([("URL_CREDENTIALS", found)] if found else [])


def span_of(text: str, value: str, entity: str) -> Span:
    return Span(text.index(value), text.index(value) + len(value), entity)


@pytest.mark.parametrize(
    ("text", "value", "action", "expected"),
    [
        ("Write a@b.com now", "a@b.com", "placeholder", "Write <EMAIL_ADDRESS> now"),
        ("Write a@b.com now", "a@b.com", "remove", "Write  now"),
        ("Write a@b.com now", "a@b.com", "keep", "Write a@b.com now"),
        ("[x](mailto:a@b.com)", "a@b.com", "placeholder", "[x](mailto:EMAIL_ADDRESS)"),
        ("https://x.org/?m=a@b.com&n=1", "a@b.com", "placeholder", "https://x.org/?m=EMAIL_ADDRESS&n=1"),
        ("see https://x.org/ a@b.com", "a@b.com", "placeholder", "see https://x.org/ <EMAIL_ADDRESS>"),
        ("```\na@b.com\n```", "a@b.com", "placeholder", "```\n<EMAIL_ADDRESS>\n```"),
    ],
)
def test_actions(text: str, value: str, action: str, expected: str) -> None:
    spans = [span_of(text, value, "EMAIL_ADDRESS")]
    assert replaced(text, spans, {"EMAIL_ADDRESS": action}, SECRET) == expected  # type: ignore[dict-item]


def test_line_breaks_stay_when_a_block_goes() -> None:
    text = "a\nKEY\nKEY\nb"
    assert replaced(text, [Span(2, 9, "PRIVATE_KEY")], {"PRIVATE_KEY": "remove"}, b"") == "a\n\n\nb"
    assert replaced(text, [Span(2, 9, "PRIVATE_KEY")], {}, b"") == "a\n<PRIVATE_KEY>\n\nb"


@pytest.mark.parametrize(
    ("entity", "value", "same"),
    [
        ("EMAIL_ADDRESS", "Anna@Example.com", "anna@example.com"),
        ("PHONE_NUMBER", "+1 (415) 555-2671", "14155552671"),
        ("CREDIT_CARD", "4111 1111 1111 1111", "4111-1111-1111-1111"),
        ("IP_ADDRESS", "2001:DB8::1", "2001:db8::1"),
    ],
)
def test_surrogates_and_hashes_are_stable_keyed_and_blind_to_spelling(entity: str, value: str, same: str) -> None:
    def put(text: str, action: str, secret: bytes) -> str:
        return replaced(text, [Span(0, len(text), entity)], {entity: action}, secret)  # type: ignore[dict-item]

    for action in ("surrogate", "hash"):
        made = put(value, action, SECRET)
        assert value not in made
        assert made == put(value, action, SECRET) != put(value, action, SECRET + b"!")
        digits = [[sign for sign in text if sign.isalnum()] for text in (made, put(same, action, SECRET))]
        assert digits[0] == digits[1]
    shape = put(value, "surrogate", SECRET)
    if entity in {"PHONE_NUMBER", "CREDIT_CARD"}:
        assert [sign.isdigit() or sign for sign in shape] == [sign.isdigit() or sign for sign in value]


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 9), st.sampled_from(list(RISKS)), st.floats(0, 1)), max_size=9
    )
)
def test_merged_stretches_cover_all_that_was_found_and_do_not_overlap(rows: list[tuple[int, int, str, float]]) -> None:
    found = [Found(entity, start, start + size, score, "x") for start, size, entity, score in rows]
    spans = merged(found)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    covered = {at for span in spans for at in range(span.start, span.end)}
    assert covered == {at for each in found for at in range(each.start, each.end)}
    text = "".join(chr(0x4E00 + at) for at in range(60))
    left = replaced(text, spans, dict.fromkeys(RISKS, "remove"), b"")
    assert left == "".join(sign for at, sign in enumerate(text) if at not in covered)


def test_of_overlapping_finds_the_surest_names_the_stretch() -> None:
    found = [
        Found("PHONE_NUMBER", 0, 8, 0.4, "x"),
        Found("CREDIT_CARD", 4, 20, 1.0, "x"),
        Found("US_SSN", 30, 39, 0.5, "x"),
    ]
    assert merged(found) == [Span(0, 20, "CREDIT_CARD"), Span(30, 39, "US_SSN")]


def test_the_secret_comes_from_the_environment_or_a_file_and_no_error_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PII_SECRET", "  a-secret-of-some-length \n")
    (tmp_path / "secret").write_bytes(b"a-secret-of-some-length\n")
    assert secret_of("env:PII_SECRET", "mask.pii") == secret_of(str(tmp_path / "secret"), "mask.pii")
    assert check_value(SECRET) != check_value(SECRET + b"!")
    assert len(check_value(SECRET)) == 16
    monkeypatch.setenv("PII_SECRET", "short-one")
    with pytest.raises(InputError, match="env:PII_SECRET") as raised:
        secret_of("env:PII_SECRET", "mask.pii")
    assert "short-one" not in str(raised.value)
    assert ACTIONS[0] == "placeholder"
