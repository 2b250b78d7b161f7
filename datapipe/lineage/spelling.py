"""How the tokens of a packed sequence are spelled: which text each stands for, to be read token by token.

A tokenizer that works on bytes may cut a character in two; such parts are shown as the bytes they are, ‹e6bd›, and the
token that completes it as ‹ae=潮›. Personal data is looked for in the text of all tokens of a document together, since
no pattern would know it in pieces: its first token shows what is masked, the others nothing.
Costs milliseconds a sequence, and what masking takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from datapipe.lineage.masking import Masked, escape, masked_spans
from datapipe.lineage.trace import Sequence, Stretch

__all__ = ["Spelled", "spelled"]

HIDDEN = "·"  # for a token all of whose text is masked and shown before it


class Spelled(NamedTuple):
    """A token as it is shown: masked and escaped text; `control`: it is no text, such as what opens a turn."""

    text: str
    control: bool
    trained: bool
    weight: float


class _Character(NamedTuple):
    """A character of a text, and its bytes [start, end); `raw` where it is a byte that makes no character."""

    text: str
    start: int
    end: int
    raw: bool


def spelled(sequence: Sequence, stretch: Stretch) -> list[Spelled]:
    """Every token of one document in a sequence; as its number where there is no tokenizer."""
    tokens = sequence.tokens[stretch.offset : stretch.stop].tolist()
    if sequence.tokenizer is None:
        texts, controls = [str(token) for token in tokens], [False] * len(tokens)
    else:
        added = {number: each.content for number, each in sequence.tokenizer.get_added_tokens_decoder().items()}
        controls = [token in added for token in tokens]
        texts = _texts(tokens, added, _bytes_of(sequence.tokenizer))
    trained = sequence.trained[stretch.offset : stretch.stop].tolist()
    weights = sequence.weights[stretch.offset : stretch.stop].tolist()
    return [Spelled(*each) for each in zip(texts, controls, trained, weights, strict=True)]


def _texts(tokens: list[int], added: dict[int, str], bytes_of: Callable[[int], bytes | None]) -> list[str]:
    """What each token shows."""
    parts = [added[token].encode() if token in added else bytes_of(token) for token in tokens]
    bounds = np.cumsum([0, *(len(part or b"") for part in parts)]).tolist()
    characters = _characters(b"".join(part or b"" for part in parts))
    shown = _masked(characters)
    at, made = 0, []
    for token, part, (start, end) in zip(tokens, parts, pairwise(bounds), strict=True):
        while at < len(characters) and characters[at].end <= start:
            at += 1
        last = at
        while last < len(characters) and characters[last].start < end:
            last += 1
        said = _said(characters[at:last], shown[at:last], start, end)
        made.append(f"‹id {token}›" if part is None else said or HIDDEN)
    return made


def _characters(whole: bytes) -> list[_Character]:
    """The characters of bytes; what is no UTF-8 stands as the bytes it is."""
    found, at = [], 0
    for character in whole.decode("utf-8", "surrogateescape"):
        raw = "\udc80" <= character <= "\udcff"
        end = at + (1 if raw else len(character.encode()))
        found.append(_Character(character, at, end, raw))
        at = end
    return found


def _masked(characters: list[_Character]) -> list[str | None]:
    """For each character what stands for it, where it is masked."""
    spans: list[Masked] = masked_spans("".join(each.text for each in characters))
    shown: list[str | None] = [None] * len(characters)
    for start, end, mark in spans:
        shown[start:end] = [mark, *[""] * (end - start - 1)]
    return shown


def _said(characters: list[_Character], shown: list[str | None], start: int, end: int) -> str:
    """The text of bytes [start, end), which may begin and end in the middle of a character."""
    made, broken = [], b""  # bytes of characters that are not whole here
    for each, mark in zip(characters, shown, strict=True):
        if mark is not None:
            text = mark if each.start >= start else ""
        elif each.raw or each.start < start or each.end > end:
            data = each.text.encode("utf-8", "surrogateescape")
            broken += data[max(0, start - each.start) : end - each.start]
            if each.raw or each.end > end:
                continue
            text, broken = f"‹{broken.hex()}={escape(each.text)}›", b""
        else:
            text = escape(each.text)
        made.append((f"‹{broken.hex()}›" if broken else "") + text)
        broken = b""
    return "".join([*made, f"‹{broken.hex()}›" if broken else ""])


# ---------------------------------------------------------------------------------------------- tokens as bytes


def _bytes_of(tokenizer: Any) -> Callable[[int], bytes | None]:
    """What gives the bytes of a token; None for a number that the tokenizer does not know."""
    steps = _steps(json.loads(tokenizer.decoder.__getstate__())) if tokenizer.decoder is not None else []
    kinds = {step["type"] for step in steps}
    spaces = [_space(step) for step in steps if _space(step)]

    def of(token: int) -> bytes | None:
        text = tokenizer.id_to_token(token)
        if text is None:
            return None
        if "ByteLevel" in kinds:
            return b"".join(_byte_level().get(character, character.encode()) for character in text)
        if "ByteFallback" in kinds and len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
            return bytes.fromhex(text[3:5])
        for mark in spaces:
            text = text.replace(mark, " ")
        if "WordPiece" in kinds:
            text = text.removeprefix("##") if text.startswith("##") else f" {text}"
        return bytes(text, "utf-8")

    return of


def _steps(decoder: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a decoder, those within others too."""
    return [decoder, *(step for each in decoder.get("decoders", ()) for step in _steps(each))]


def _space(step: dict[str, Any]) -> str:
    """What stands for a space in tokens, as a step of the decoder tells."""
    if step["type"] == "Metaspace":
        return str(step.get("replacement", "▁"))
    if step["type"] == "Replace" and step.get("content") == " ":
        return str(step.get("pattern", {}).get("String", ""))
    return ""


@cache
def _byte_level() -> dict[str, bytes]:
    """The bytes that the characters of a byte-level tokenizer stand for.

    Source: Radford et al. 2019 (GPT-2): printable characters of Latin-1 are themselves, all others follow from U+0100.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in set(plain)]
    named = {chr(byte): bytes([byte]) for byte in plain}
    return named | {chr(0x100 + number): bytes([byte]) for number, byte in enumerate(others)}
