r"""Finds personal data behind escapes: `jane%40example.org`, `q=jane+doe@example.org`, `jane\u0040example.org`.

What: escapes are undone, and of a query the plus signs, which stand for spaces there; what is found is told in
characters of the text as it is. The bytes of an escaped character belong to it as a whole.
Costs some microseconds for each stretch without white space that holds an escape; where such could hold personal data,
one more search of it.
Source: RFC 3986 (percent-encoding); the URL standard (plus signs in queries); RFC 8259 (JSON's escapes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.pii.found import Found
from datapipe.algo.pii.suspects import suspicious

__all__ = ["behind_escape", "find_escaped", "unescaped"]

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+|(?:\\u[0-9A-Fa-f]{4})+")
_SOMEWHERE = r"%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|^\S*\?\S*\+\S*$"  # RE2
_LETTERS = re.compile(r"u[0-9A-Fa-f]{4}|[nrtbf]")
_SPACE = re.compile(r"\s")  # a text with any is no URL, and its plus signs are its own
NEAR = 2048  # characters before and behind an escape that are looked at with it
_LONE = re.compile("[\ud800-\udfff]")
UNKNOWN = "\ufffd"

Detect = Callable[[pa.LargeStringArray], dict[int, list[Found]]]


def unescaped(text: str) -> tuple[str, list[int]]:
    """The text without escapes, and where each of its characters began in it, with the end of the text at the end."""
    made: list[str] = []
    starts: list[int] = []
    last, query = 0, -1 if _SPACE.search(text) else text.find("?")
    for match in _ESCAPES.finditer(text):
        made.append(_plain(text[last : match.start()], last, query))
        starts += range(last, match.start())
        for begin, character in _undone(match[0]):
            made.append(character)
            starts.append(match.start() + begin)
        last = match.end()
    made.append(_plain(text[last:], last, query))
    starts += range(last, len(text) + 1)
    return "".join(made), starts


def _undone(run: str) -> Iterator[tuple[int, str]]:
    """The characters that a run of escapes stands for, and where each begins in it."""
    at = 0
    if run.startswith("%"):
        for character in _decoded(bytes.fromhex(run.replace("%", ""))):
            yield at, character
            at += 3 * len(character.encode()) if character != UNKNOWN else 3
        return
    units = bytes.fromhex(run.replace("\\u", ""))
    for character in units.decode("utf-16-be", "surrogatepass"):
        yield at, _LONE.sub(UNKNOWN, character)
        at += 12 if ord(character) > 0xFFFF else 6


def _decoded(data: bytes) -> str:
    """Bytes as UTF-8; of those in another charset the letters of ASCII, and a mark for each other byte."""
    try:
        return data.decode().replace(UNKNOWN, "?" * 3)
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 0x80 else UNKNOWN for byte in data)


def _plain(part: str, start: int, query: int) -> str:
    """What stands between escapes, with spaces for plus signs in the query."""
    if query < 0 or start + len(part) <= query:
        return part
    before = max(0, query - start)
    return part[:before] + part[before:].replace("+", " ")


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """What stands between white space and holds an escape, with where it begins; all of a text without white space."""
    if _SPACE.search(text) is None:
        yield 0, text
        return
    last = 0
    for match in _ESCAPES.finditer(text):
        if match.start() < last:
            continue
        low = max(last, match.start() - NEAR)
        space = _SPACE.search(text[low : match.start()][::-1])
        start = match.start() - space.start() if space else low
        end = _SPACE.search(text, match.end(), match.end() + NEAR)
        last = end.start() if end else min(len(text), match.end() + NEAR)
        yield start, text[start:last]


def behind_escape(text: str, found: Found) -> Found:
    """The same, without the letters of an escape of JSON that it begins in, such as a line feed before an address."""
    if not found.start or text[found.start - 1] != "\\":
        return found
    match = _LETTERS.match(text, found.start, found.end - 1)
    return found if match is None else found._replace(start=match.end())


def find_escaped(texts: pa.LargeStringArray, detect: Detect) -> dict[int, list[Found]]:
    """What `detect` finds in texts once escapes are undone, by row; rows without any are missing."""
    match: Any = pc.match_substring_regex(texts, _SOMEWHERE)
    here: Any = pc.fill_null(match, False)
    places: list[tuple[int, int, list[int]]] = []
    undone: list[str] = []
    for row in pc.indices_nonzero(here).to_pylist():
        for start, chunk in _chunks(texts[row].as_py()):
            plain, starts = unescaped(chunk)
            if suspicious(plain):
                places.append((row, start, starts))
                undone.append(plain)
    everything: dict[int, list[Found]] = {}
    if undone:
        array: Any = pa.array(undone, pa.large_string())
        for at, found in sorted(detect(array).items()):
            row, start, starts = places[at]
            mine = [each._replace(start=start + starts[each.start], end=start + starts[each.end]) for each in found]
            everything.setdefault(row, []).extend(mine)
    return everything
