"""What stands in the text where personal data stood: placeholders, hashes, surrogates, nothing.

What: a surrogate has the shape of what it replaces and is the same wherever that stands, but cannot be turned back
without the secret: an e-mail address at a domain that nobody can have (RFC 2606), an address of a network for
documentation (RFC 5737, RFC 3849), letters for letters and digits for digits of all else. In a URL a placeholder goes
without angle brackets, so that the URL stays one; line breaks within what goes stay, so that Markdown's blocks do.
Costs some microseconds a replacement.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from datapipe.algo.pii.found import Found
from datapipe.errors import InputError

__all__ = ["ACTIONS", "Action", "Span", "check_value", "merged", "replaced", "secret_of"]

Action = Literal["placeholder", "surrogate", "hash", "remove", "keep"]
ACTIONS: tuple[Action, ...] = ("placeholder", "surrogate", "hash", "remove", "keep")
NEED_SECRET = ("surrogate", "hash")
MIN_SECRET = 16  # bytes
HASH_BYTES = 8
LOOK_BACK = 2048  # characters in which a URL can begin before what it holds

_MARKS = ("://", "www.", "mailto:", "tel:")
_IN_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]{1,30}://|www\.|mailto:|tel:)[^\s<>\"']*$", re.IGNORECASE)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_BREAKS = re.compile(r"[^\n]+")


class Span(NamedTuple):
    """A stretch of a text, in characters, that one entity's action is for."""

    start: int
    end: int
    entity: str


def secret_of(place: str, stage: str) -> bytes:
    """The secret at `env:NAME` or in a file, without white space at its ends. Raises InputError if it is none.

    Errors name the place, never what is there.
    """
    if place.startswith("env:"):
        found = os.environ.get(place.removeprefix("env:"), "").encode()
    elif Path(place).is_file():
        found = Path(place).read_bytes()
    else:
        found = b""
    found = found.strip()
    if len(found) < MIN_SECRET:
        raise InputError(
            f"{stage}: the secret at {place} is missing or shorter than {MIN_SECRET} bytes",
            remedy="set the environment variable (env:NAME) or name a file with a longer one, the same for all workers",
        )
    return found


def check_value(secret: bytes) -> str:
    """What tells secrets apart and gives none away: 16 hex digits of a keyed hash."""
    return hmac.digest(secret, b"datapipe mask.pii check value", "sha256").hex()[:16]


def merged(found: Iterable[Found]) -> list[Span]:
    """Stretches that do not overlap; where several did, the entity is that of the surest, then longest, then first."""
    spans: list[Span] = []
    best: Found | None = None
    for each in sorted(found, key=lambda one: (one.start, -one.end, one.entity)):
        if best is not None and each.start < spans[-1].end:
            if (each.score, each.end - each.start) > (best.score, best.end - best.start):
                best = each
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, each.end), best.entity)
        else:
            best = each
            spans.append(Span(each.start, each.end, each.entity))
    return spans


def replaced(text: str, spans: list[Span], actions: dict[str, Action], secret: bytes) -> str:
    """The text with each stretch put through its entity's action (placeholder where none is named)."""
    parts, last = [], 0
    for span in spans:
        action = actions.get(span.entity, "placeholder")
        if action == "keep":
            continue
        parts += [text[last : span.start], _instead(text, span, action, secret)]
        last = span.end
    return "".join([*parts, text[last:]])


def _instead(text: str, span: Span, action: Action, secret: bytes) -> str:
    value = text[span.start : span.end]
    if action == "surrogate":
        return _surrogate(span.entity, value, secret)
    breaks = _BREAKS.sub("", value)
    if action == "remove":
        return breaks
    inside = span.entity
    if action == "hash":
        inside += "-" + _stream(span.entity, _canonical(span.entity, value), secret).hex()[: 2 * HASH_BYTES]
    before = text[max(0, span.start - LOOK_BACK) : span.start]
    low = before.lower()
    in_address = any(mark in low for mark in _MARKS) and _IN_ADDRESS.search(before, _token_start(before)) is not None
    return (inside if in_address else f"<{inside}>") + breaks


def _token_start(before: str) -> int:
    """Where what holds no space and no quote begins, up to the end."""
    return 1 + max(before.rfind(mark) for mark in " \t\n\r<>\"'")


def _canonical(entity: str, value: str) -> str:
    """What is the same for spellings of the same thing: no case, and no separators where they mean nothing."""
    if entity in {"EMAIL_ADDRESS", "URL", "IP_ADDRESS", "URL_CREDENTIALS"}:
        return value.casefold()
    return "".join(character for character in value.casefold() if character.isalnum()) or value


def _stream(entity: str, canonical: str, secret: bytes) -> bytes:
    return hmac.digest(secret, f"{entity}\0{canonical}".encode(errors="surrogatepass"), "sha512")


def _surrogate(entity: str, value: str, secret: bytes) -> str:
    stream = _stream(entity, _canonical(entity, value), secret)
    if entity == "EMAIL_ADDRESS":
        return "".join(_LETTERS[byte % 26] for byte in stream[:10]) + "@example.com"
    if entity == "IP_ADDRESS":
        if ":" in value:
            return f"2001:db8::{stream[0]:x}{stream[1]:02x}:{stream[2]:x}{stream[3]:02x}"
        return f"{('192.0.2', '198.51.100', '203.0.113')[stream[0] % 3]}.{stream[1]}"
    return _reshaped(value, stream, secret)


def _reshaped(value: str, stream: bytes, secret: bytes) -> str:
    """Other letters for letters and digits for digits, in the same places; all else stays."""
    signs = sum(map(str.isalnum, value))
    while len(stream) < signs:
        stream += hashlib.sha512(secret + stream).digest()
    made, at = [], 0
    for character in value:
        if not character.isalnum():
            made.append(character)
            continue
        byte = stream[at]
        at += 1
        made.append(_other(character, byte))
    return "".join(made)


def _other(character: str, byte: int) -> str:
    if character.isdecimal():
        return str(byte % 10)
    letter = _LETTERS[byte % 26]
    return letter.upper() if character.isupper() else letter
