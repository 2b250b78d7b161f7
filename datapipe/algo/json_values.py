"""The values of a JSON array, or of values that follow each other, one by one from a stream.

An array of any size is never held: only the value in the making is, up to a limit. Whether brackets and quotes fit
is told by two regular expressions that jump from one to the next; each value is then parsed by itself, so that one
bad value costs itself alone. A bracket or quote that is never closed takes what is behind it along, and nothing
behind the array's end is read: either is told as a damaged place.
Costs unpacking and, beside parsing, some 20 microseconds for an object of ten fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from datapipe.algo.frames import Damage, Frames, open_file
from datapipe.algo.lines import Line, start_of
from datapipe.stage import File

__all__ = ["json_values", "opens_array"]

_INSIDE: Final = re.compile(rb'[{}\[\]"]')  # what counts within a value
_BETWEEN: Final = {
    True: re.compile(rb'[{}\[\]",]'),
    False: re.compile(rb'[{}\[\]",\n]'),
}  # at its top level, in an array
_QUOTED: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)  # possessive: no memory for a way back
_SPACE: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
_LOOKED_AT: Final = 4096


def opens_array(file: File) -> bool:
    """Whether the file holds one JSON array, which its first character tells."""
    return start_of(file, _LOOKED_AT).removeprefix(_BOM).lstrip(_SPACE).startswith(b"[")


def json_values(file: File, cursor: int, limit: int) -> Iterator[Line]:
    """Offset, size and bytes of each value from byte `cursor` on, in the form of `datapipe.algo.lines.lines`.

    `data` is None for a value over the limit, and with a size of 0 for a damaged place: where bytes cannot be
    unpacked, the file ends too early, or goes on behind its array. `cursor` is 0 or the offset of a value. Raises
    InputError if the file cannot be opened.
    """
    array = opens_array(file)
    with open_file(file) as opened:
        frames = Frames(opened)
        start = 0 if frames.codec else cursor
        scan = _Scan(start, limit, array=array)
        try:
            for chunk in frames.chunks(start):
                yield from (value for value in scan.feed(chunk.data) if value.offset >= cursor)
            last = scan.end()
        except Damage:
            last = Line(scan.place, 0, None)
        if last is not None and last.offset >= cursor:
            yield last


class _Scan:
    """Where in the stream we are: between values, inside one at some depth, or inside a string of it."""

    def __init__(self, offset: int, limit: int, *, array: bool) -> None:
        self._limit = limit
        self._array = array  # brackets stand around all values
        self._open = offset > 0  # the outer bracket is behind us
        self._closed: int | None = None  # place of the one at the end
        self._data = bytearray()
        self._base = offset  # place of the first byte of `_data` in the stream
        self._at = 0  # next byte of `_data` to look at
        self._begin: int | None = None  # place of the value in the making
        self._depth = 0
        self._quoted = False
        self._dropped = False  # the value in the making is over the limit, and its bytes are gone

    @property
    def place(self) -> int:
        """Of the value in the making, or of what comes next."""
        return self._base + self._at if self._begin is None else self._begin

    def feed(self, data: bytes) -> Iterator[Line]:
        """The values that end within the next bytes of the stream."""
        self._data += data
        while self._at < len(self._data):
            if self._begin is None:
                self._skip()
            elif self._quoted:
                if not self._pass_string():
                    break
            elif (value := self._step()) is not None:
                yield value
        self._forget()

    def end(self) -> Line | None:
        """The value in the making when the stream ends, or what is wrong with the array."""
        if self._begin is None:
            whole = not self._array or (self._closed is not None)
            return None if whole else Line(self.place, 0, None)
        if self._array or self._depth or self._quoted:
            return Line(self._begin, 0, None)
        return self._value(len(self._data))

    def _skip(self) -> None:
        """Pass what stands between values."""
        if not self._base and not self._at and self._data.startswith(_BOM):
            self._at = len(_BOM)
        while self._at < len(self._data) and self._data[self._at] in b" \t\r\n,":
            self._at += 1
        if self._at == len(self._data):
            return
        if self._array and not self._open:
            self._open = True
            self._at += 1
        elif self._closed is not None:
            self._begin, self._at = self._closed, len(self._data)
            self._dropped = True
        elif self._array and self._data[self._at] == ord("]"):
            self._closed = self._base + self._at
            self._at += 1
        else:
            self._begin = self._base + self._at

    def _pass_string(self) -> bool:
        """Go to the end of the string, or of what is there of it; False where all that is left is half an escape."""
        found = _QUOTED.match(self._data, self._at)
        assert found is not None
        self._at = found.end()
        if self._at == len(self._data):
            return True
        if self._data[self._at] != ord('"'):
            return False
        self._at += 1
        self._quoted = False
        return True

    def _step(self) -> Line | None:
        """Go behind the next byte that counts; the value, where that ends it."""
        if self._closed is not None:
            self._at = len(self._data)
            return None
        found = (_INSIDE if self._depth else _BETWEEN[self._array]).search(self._data, self._at)
        if found is None:
            self._at = len(self._data)
            return None
        at = found.start()
        byte = self._data[at]
        self._at = at + 1
        if byte == ord('"'):
            self._quoted = True
        elif byte in b"{[":
            self._depth += 1
        elif self._depth:
            self._depth -= 1
            return self._value(at + 1) if not self._depth and not self._array else None
        elif byte in b",\n":
            return self._value(at)
        elif not self._array:  # a bracket too many
            return self._value(at + 1)
        elif byte == ord("]"):
            self._at = at
            return self._value(at)
        return None

    def _value(self, end: int) -> Line:
        assert self._begin is not None
        begin, self._begin = self._begin, None
        dropped, self._dropped = self._dropped, False
        size = self._base + end - begin
        if dropped or size > self._limit:
            return Line(begin, size, None)
        data = bytes(self._data[begin - self._base : end]).rstrip()
        return Line(begin, len(data), data)

    def _forget(self) -> None:
        """Let go of bytes that are not needed again."""
        gone = self._at
        if self._begin is not None and not self._dropped:
            self._dropped = self._base + self._at - self._begin > self._limit
            gone = self._at if self._dropped else self._begin - self._base
        del self._data[:gone]
        self._base += gone
        self._at -= gone
