"""Lines of a text file, packed or not, with the place of each; and the charset that such a file is in.

A line's place is its byte offset in the unpacked stream, the same from wherever reading starts. A plain file is
resumed by a seek, a packed one by unpacking it up to there. In UTF-16 and UTF-32 a line ends with the newline of
that charset; in all others the byte 0x0A is nothing else, so no file must be decoded to find its lines.
Costs unpacking and one split; never holds more than a line (up to the limit) and two chunks.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from datapipe.algo.frames import Damage, Frames, open_file
from datapipe.stage import File
from datapipe.text import UndecodableText, decode_html

__all__ = ["Charset", "Line", "charset_of", "known_charset", "lines", "start_of"]

_HEAD = 256 << 10  # bytes from which a file's charset is told
_WIDE = ("utf-16", "utf-32")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")  # what no line of text holds


class Line(NamedTuple):
    """A line without its end. `data` is None for one over the limit, and with a size of 0 for a damaged place."""

    offset: int
    size: int
    data: bytes | None


def lines(file: File, cursor: int, limit: int, newline: bytes = b"\n") -> Iterator[Line]:
    """Every line from byte `cursor` on, blank ones too; raises InputError if the file cannot be opened.

    A damaged place comes last, as the line in which it lies, with a size of 0.
    """
    with open_file(file) as opened:
        frames = Frames(opened)
        offset = 0 if frames.codec else cursor
        held: list[bytes] = []  # the line so far: at most `limit` bytes and a block
        size = 0
        rest = b""  # a character cut in half by the end of a chunk
        chunks = frames.chunks(offset)
        while True:
            try:
                chunk = next(chunks, None)
            except Damage:
                if offset >= cursor:
                    yield Line(offset, 0, None)
                return
            data = rest if chunk is None else rest + chunk.data
            whole = len(data) - (0 if chunk is None else len(data) % len(newline))
            data, rest = data[:whole], data[whole:]
            pieces = _pieces(data, newline)
            for number, piece in enumerate(pieces):
                if size <= limit:
                    held.append(piece)
                size += len(piece)
                if number + 1 == len(pieces) and chunk is not None:
                    break
                if offset >= cursor:
                    yield Line(offset, size, b"".join(held) if size <= limit else None)
                offset += size + len(newline)
                held, size = [], 0
            if chunk is None:
                return


def _pieces(data: bytes, newline: bytes) -> list[bytes]:
    """Data between newlines; a wide newline stands at the boundary of a character."""
    width = len(newline)
    if width == 1:
        return data.split(newline)
    pieces, start, at = [], 0, data.find(newline)
    while at >= 0:
        if at % width:
            at = data.find(newline, at + 1)
            continue
        pieces.append(data[start:at])
        start = at + width
        at = data.find(newline, start)
    return [*pieces, data[start:]]


def start_of(file: File, size: int) -> bytes:
    """The first bytes of the unpacked file, as far as they can be had; raises InputError as `lines` does."""
    found: list[bytes] = []
    have = 0
    with open_file(file) as opened:
        try:
            for chunk in Frames(opened).chunks(0):
                found.append(chunk.data)
                have += len(chunk.data)
                if have >= size:
                    break
        except Damage:
            pass
    return b"".join(found)[:size]


# ---------------------------------------------------------------------------------------------- charsets


@dataclass(frozen=True)
class Charset:
    """What a file is in: a name, or None where its start says nothing; `given` (Python's name) or detected."""

    name: str | None
    given: bool = False

    @property
    def newline(self) -> bytes:
        """The bytes that end a line."""
        return "\n".encode(self.name) if self.name and self.name.startswith(_WIDE) else b"\n"

    def is_blank(self, data: bytes) -> bool:
        """Whether a piece is nothing but spaces."""
        if len(self.newline) == 1:
            return not data or data.isspace()
        return not data.decode(self.name or "utf-8", "replace").strip("\ufeff \t\r\n")

    def decode(self, data: bytes) -> str | None:
        """A piece of the file as text, without a byte order mark; None if it cannot be decoded.

        A piece of a detected charset that is not in it, as in files put together from several, is detected by itself.
        """
        certain = self.given or len(self.newline) > 1
        if certain or self.name == "utf-8":
            try:
                return data.decode(self.name or "utf-8").removeprefix("\ufeff")
            except UnicodeDecodeError:
                if certain:
                    return None
        try:
            return decode_html(data, self.name)[0]
        except UndecodableText:
            return self._by_the_file(data)

    def _by_the_file(self, data: bytes) -> str | None:
        """What begins like a picture or archive ("RIFF", "ID3") is still a line of a file that is known for text."""
        if self.name is None or _CONTROL.search(data):
            return None
        for charset in ("utf-8", self.name):
            try:
                return data.decode(charset)
            except (UnicodeDecodeError, LookupError):  # windows-874 is a browser's name, which Python does not know
                continue
        return None


def charset_of(file: File, given: str | None) -> Charset:
    """The charset of a file: as the user says, or by its mark, validity as UTF-8 and detection on its start."""
    if given and _python_name(given) not in _WIDE:  # those two leave the order of bytes open
        return Charset(_python_name(given), given=True)
    head = start_of(file, _HEAD)
    if len(head) == _HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    try:
        return Charset(decode_html(head)[1])
    except UndecodableText:
        return Charset(None)


def known_charset(name: str | None) -> str | None:
    """Python's name for it, for a config's validator; raises ValueError for one that Python does not know."""
    try:
        if name is not None:
            "".encode(name)
            return _python_name(name)
    except (LookupError, UnicodeError):
        raise ValueError(f"{name!r} is no charset; write for example utf-8, gb18030 or windows-1252") from None
    return None


def _python_name(name: str) -> str:
    """One name for all spellings of a charset: utf-16-le for UTF-16LE and utf_16_le."""
    return codecs.lookup(name).name
