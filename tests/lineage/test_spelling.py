"""Tokens are shown as the text they stand for: cut characters as bytes, control tokens apart, nothing private."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from datapipe.lineage import Sequence, Stretch, mask, masked_spans, spelled
from tests.stages.tokenize.styles import trained

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())


def of_bytes() -> Any:
    """A tokenizer of which each byte is a token, and `<|end|>` a control token."""
    made: Any = Tokenizer(models.BPE({letter: number for number, letter in enumerate(LETTERS)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken("<|end|>", normalized=False)])
    return made


def of_words(tokens: list[str], decoder: Any) -> Any:
    made: Any = Tokenizer(models.WordLevel({token: number for number, token in enumerate(tokens)}, unk_token=tokens[0]))
    made.decoder = decoder
    return made


def shown(tokenizer: Any, tokens: list[int]) -> list[str]:
    count = len(tokens)
    ones: Any = np.ones(count, np.float32)
    whole = (Stretch(0, "d", None, 0, count),)
    found = Sequence(0, "f", np.array(tokens, np.int32), ones > 0, ones, whole, tokenizer)
    return [each.text for each in spelled(found, whole[0])]


BYTES = of_bytes()


def ids(text: str) -> list[int]:
    found: list[int] = BYTES.encode(text, add_special_tokens=False).ids
    return found


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (ids("ab\n"), ["a", "b", "\n"]),
        (ids("é"), ["‹c3›", "‹a9=é›"]),
        (ids("潮x"), ["‹e6›", "‹bd›", "‹ae=潮›", "x"]),
        (ids("🌊"), ["‹f0›", "‹9f›", "‹8c›", "‹8a=🌊›"]),
        (ids("潮")[:2] + ids("x"), ["‹e6›", "‹bd›", "x"]),  # a document cut in a character
        (ids("潮")[1:], ["‹bd›", "‹ae›"]),
        (ids("\x1b[31m"), ["\\x1b", "[", "3", "1", "m"]),
        ([*ids("a"), 256], ["a", "<|end|>"]),
        ([*ids("a"), 9999], ["a", "‹id 9999›"]),
    ],
)
def test_each_token_shows_its_text_or_its_bytes(tokens: list[int], expected: list[str]) -> None:
    assert shown(BYTES, tokens) == expected


@pytest.mark.parametrize(
    ("tokens", "decoder", "expected"),
    [
        (["▁the", "▁tide", "s"], decoders.Metaspace(), [" the", " tide", "s"]),
        (
            ["▁a", "<0xE6>", "<0xBD>", "<0xAE>", "<0x0A>"],
            decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
            [" a", "‹e6›", "‹bd›", "‹ae=潮›", "\n"],
        ),
        (["the", "tide", "##s"], decoders.WordPiece(), [" the", " tide", "s"]),
        (["the", "▁tide"], None, ["the", "▁tide"]),
    ],
)
def test_other_kinds_of_tokenizers(tokens: list[str], decoder: Any, expected: list[str]) -> None:
    assert shown(of_words(tokens, decoder), list(range(len(tokens)))) == expected


def test_without_a_tokenizer_tokens_are_numbers() -> None:
    assert shown(None, [5, 70_000]) == ["5", "70000"]


def test_personal_data_is_masked_over_tokens_and_its_length_in_no_byte() -> None:
    found = shown(BYTES, ids("mail jané@example.org now"))
    assert "".join(found).replace("·", "") == "mail [e-mail] now"
    assert found[5] == "[e-mail]"
    assert set(found[6:-4]) == {"·"}


WORDS = st.sampled_from(
    ["jane@example.org", "+49 30 1234567", "潮", " ", "ftp://joe:pw@host/x", "a", "🌊", "2026-11-04"]
)


@given(st.lists(WORDS | st.text(max_size=4), max_size=12).map("".join))
def test_all_tokens_together_show_the_masked_text(text: str) -> None:
    spans = masked_spans(text)
    parts, at = [], 0
    for start, end, mark in spans:
        parts += [text[at:start], mark]
        at = end
    assert "".join([*parts, text[at:]]) == mask(text)
    assert all(before.end <= after.start for before, after in pairwise(spans))


@given(
    st.text(max_size=30).filter(lambda text: mask(text) == text and text.isprintable() and not set(text) & set("‹›="))
)
def test_every_character_is_shown_once(text: str) -> None:
    pieces = shown(BYTES, ids(text))
    whole = [piece.split("=")[-1].rstrip("›") if piece.startswith("‹") and "=" in piece else piece for piece in pieces]
    halves = [piece for piece in whole if cut(piece)]
    assert len(halves) == sum(len(each.encode()) - 1 for each in text)
    assert "".join(piece for piece in whole if not cut(piece)) == text


@pytest.mark.parametrize("spaced", [False, True])
def test_trained_tokenizers_are_read_back(*, spaced: bool) -> None:
    tokenizer = Tokenizer.from_str(trained(spaced=spaced))
    text = "Two boats came in with the tide; 中午最高，潮 🌊."
    made = shown(tokenizer, tokenizer.encode(text).ids)
    whole = "".join(piece.split("=")[1].rstrip("›") if "=" in piece else piece for piece in made if not cut(piece))
    assert whole == (" " if spaced else "") + text
    assert len([piece for piece in made if " " in piece[:1]]) > 5


def cut(piece: str) -> bool:
    return piece.startswith("‹") and "=" not in piece
