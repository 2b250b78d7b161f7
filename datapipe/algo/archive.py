"""The records of a WARC, WET, WAT or ARC file in order, each with a cursor at which reading can resume.

A cursor is `offset << 24 | number`: the byte offset in the file of a member (of the record itself, if the
file is not compressed) that opens with a record, and how many records begin between there and this one.
So it costs a seek and nothing else to resume in a file with one member per record, and decompressing from
the member's start in others; it depends on the file alone.

A damaged place gives one record of kind `damaged`, and reading goes on at the next that can be made out:
at the next member, or at the next bytes that open a record. Bytes that are missing count as damage.

A decompression bomb gives one record of kind `bomb`: a place where, since the record's start, more than
`max_ratio` bytes came out for each compressed byte. What else its member holds is given up with it, because
10 GB of zeros take longer to decompress than anybody should wait, and the next member is looked for in the
compressed bytes. Compressed bytes are counted in steps of 64 KiB, so that less than that many times
`max_ratio` is never a bomb.
Costs about 15 microseconds a record besides decompression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from datapipe.algo.frames import STEP, Chunk, Damage, Frames
from datapipe.errors import InputError

DAMAGED = "damaged"
BOMB = "bomb"
_NUMBER_BITS = 24
_MAX_HEADER = 64 << 10
_MOST_DIGITS = 18  # of a length; no file is longer
_ARC = rb"([a-z][a-z0-9.+-]*:\S[^\r\n]*) (\S+) (\d{8,20}) ([^\r\n]*?) ?(\S+)\r?\n"
_WARC_LINE = re.compile(rb"WARC/\d+\.\d+[ \t]*\r?\n")
_ARC_LINE = re.compile(_ARC)
_MAX_ARC_LINE = 4096  # bytes; the pattern takes time by the square of a line's length, here 0.1 s at the most
_NEXT = re.compile(
    rb"(?=WARC/\d+\.\d+[ \t]*\r?\n[A-Za-z-]+:)"
    rb"|(?<=\n)(?=[a-z][a-z0-9.+-]*:\S[^\r\n]{0,4096} \S+ \d{14,20} \S+ [^\r\n]*\d\r?\n)"
)
_BLANK = re.compile(rb"\r?\n\r?\n")
_NEWLINES = b"\r\n"


@dataclass(frozen=True, slots=True)
class Record:
    """One record: `body` holds at most the bytes asked for of its `length`; field names are lower case."""

    cursor: int
    kind: str
    fields: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    length: int = 0


class Bomb(Damage):
    """A member whose bytes are too many for what they were packed into."""


def records(
    file: BinaryIO, cursor: int, *, kinds: frozenset[str], max_body: int, max_ratio: float | None = None
) -> Iterator[Record]:
    """Records from `cursor` on; bodies only of `kinds`, and at most `max_body` bytes of each."""
    window = _Window(Frames(file), cursor >> _NUMBER_BITS, max_ratio)
    found = False
    while True:
        try:
            if not window.to_record():
                break
            place = window.place()
            record, lost = _read(window, place, max_body, kinds if place >= cursor else frozenset())
        except Damage as damage:
            window.at_damage(damage)
            kind = BOMB if isinstance(damage, Bomb) else DAMAGED
            record, lost = Record(window.place(), kind, window.fields), False
            window.behind(damage)
        found = True
        if record.cursor >= cursor:
            yield record
        if lost:
            try:
                window.to_next()
            except Damage as damage:  # part of the place already told of
                window.behind(damage)
    if not found:
        yield Record(cursor, DAMAGED)


def _read(window: _Window, place: int, max_body: int, kinds: frozenset[str]) -> tuple[Record, bool]:
    """The record at the window's position, and whether the place where it ends is lost."""
    if window.matches(_WARC_LINE):
        fields = _warc_fields(window.until(_BLANK, _MAX_HEADER))
        kind = fields.get(b"warc-type", b"").decode("latin-1").lower()
    else:
        fields = _arc_fields(window.line(_MAX_HEADER))
        kind = "warcinfo" if fields.get(b"warc-target-uri", b"").startswith(b"filedesc:") else "response"
    window.fields = fields
    length = fields.get(b"content-length", b"")
    if not length.isdigit() or len(length) > _MOST_DIGITS:
        return Record(place, kind if kind == "warcinfo" and fields else DAMAGED, fields), True
    size = int(length)
    body, missing = window.take(size, max_body if kind in kinds else 0)
    return Record(place, DAMAGED if missing else kind, fields, b"" if missing else body, size), missing


def _warc_fields(head: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in re.sub(rb"\r?\n[ \t]+", b" ", head).split(b"\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _arc_fields(line: bytes) -> dict[bytes, bytes]:
    """An ARC header line of version 1 or 2 under the names of WARC; empty if it is none."""
    match = _ARC_LINE.fullmatch(line) if len(line) <= _MAX_ARC_LINE else None
    if match is None:
        return {}
    url, _, date, between, length = match.groups()
    return {
        b"warc-target-uri": url,
        b"warc-date": re.sub(rb"^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\d*$", rb"\1-\2-\3T\4:\5:\6Z", date),
        b"content-type": between.partition(b" ")[0],
        b"content-length": length,
    }


class _Window:
    """A position in the decompressed bytes that knows how to come back to the record it stands at."""

    def __init__(self, frames: Frames, start: int, max_ratio: float | None) -> None:
        self.fields: dict[bytes, bytes] = {}
        self._frames = frames
        self._max_ratio = max_ratio if frames.codec else None
        self._since = 0  # bytes taken in since the record began, in the step of compressed bytes at _since_step
        self._since_step = self._step = start
        self._chunks = frames.chunks(start)
        self._next: Chunk | None = None
        self._data = b""
        self._at = 0
        self._passed = start  # file offset of the byte at _data[0], where the file is not compressed
        self._member = start
        self._anchor = start
        self._number = -1

    def place(self) -> int:
        """Cursor of the record at the window's position."""
        if not self._frames.codec:
            return self._passed + self._at << _NUMBER_BITS
        if self._number >> _NUMBER_BITS:
            raise InputError("a compressed member holds more than 16,777,216 records", remedy="recompress by record")
        return self._anchor << _NUMBER_BITS | max(self._number, 0)

    # ------------------------------------------------------------------ taking in chunks

    def _peek(self) -> Chunk | None:
        if self._next is None:
            self._next = next(self._chunks, None)
        return self._next

    def _grow(self) -> bool:
        """Takes in the next chunk, unless the file ends here or another record's member begins."""
        chunk = self._peek()
        if chunk is None or (chunk.fresh and _opens_record(chunk.data)):
            return False
        self._take_in(chunk, self._data[self._at :])
        self._refuse_bomb()
        return True

    def _take_in(self, chunk: Chunk, rest: bytes) -> None:
        self._passed += len(self._data) - len(rest)
        self._data, self._at = rest + chunk.data if rest else chunk.data, 0
        self._member, self._next = chunk.member, None
        self._since += len(chunk.data)
        self._step = chunk.at

    def _count_anew(self) -> None:
        self._since, self._since_step = 0, self._step

    def _refuse_bomb(self) -> None:
        packed = max(self._step - self._since_step, STEP)
        if self._max_ratio is not None and self._since > self._max_ratio * packed:
            raise Bomb(self._member)

    # ------------------------------------------------------------------ between records

    def to_record(self) -> bool:
        """Moves over line ends to the next record; False at the end of the file."""
        self.fields = {}
        self._count_anew()
        while True:
            rest = self._data[self._at : self._at + 256].lstrip(_NEWLINES)
            if rest:
                self._at += len(self._data[self._at : self._at + 256]) - len(rest)
                self._number += 1
                return True
            self._at = min(self._at + 256, len(self._data))
            if self._at < len(self._data):
                continue
            chunk = self._peek()
            if chunk is None:
                return False
            self._take_in(chunk, b"")
            if chunk.fresh:
                self._anchor, self._number = chunk.member, -1
                self._count_anew()
            self._refuse_bomb()

    def to_next(self) -> None:
        """Moves to the next bytes that open a record, or to the end of the file."""
        while True:
            match = _NEXT.search(self._data, self._at)
            if match is not None:
                self._at = match.end()
                return
            chunk = self._peek()
            if chunk is None or (chunk.fresh and _opens_record(chunk.data)):
                self._at = len(self._data)
                return
            self._take_in(chunk, self._data[max(self._at, len(self._data) - 2 * 4096) :])
            self._refuse_bomb()

    def at_damage(self, damage: Damage) -> None:
        """The damaged member is the place to come back to, if the record before it is complete."""
        if self.fields:
            return
        if damage.member > self._member:
            self._anchor, self._number = damage.member, 0
        else:
            self._number += 1

    def behind(self, damage: Damage) -> None:
        """Moves to the next member in the file, or to its end."""
        offset = self._frames.next_member(damage.member, _opens_record)
        self._data, self._at, self._next = b"", 0, None
        self._chunks = iter(()) if offset is None else self._frames.chunks(offset)

    # ------------------------------------------------------------------ within a record

    def matches(self, pattern: re.Pattern[bytes]) -> bool:
        """Whether `pattern`, of at most 64 bytes, stands here."""
        while len(self._data) - self._at < 64 and self._grow():
            pass
        return pattern.match(self._data, self._at) is not None

    def until(self, pattern: re.Pattern[bytes], limit: int) -> bytes:
        """Bytes up to the end of the first match within `limit`; if there is none, nothing, and a byte is passed."""
        while True:
            match = pattern.search(self._data, self._at, self._at + limit)
            if match is not None:
                head = self._data[self._at : match.end()]
                self._at = match.end()
                return head
            if len(self._data) - self._at >= limit or not self._grow():
                self._at += 1  # so that the search for the next record does not find this one again
                return b""

    def line(self, limit: int) -> bytes:
        """The line here, with its end; empty if it is longer than `limit` or cut off."""
        return self.until(_LINE_END, limit)

    def take(self, size: int, keep: int) -> tuple[bytes, bool]:
        """The first `keep` of the next `size` bytes, all of which are passed; whether some are missing."""
        if self._ends_before(size):  # a wrong length must not swallow the records behind it
            return b"", True
        parts: list[bytes] = []
        kept = 0
        while True:
            part = self._data[self._at : self._at + min(size, keep - kept)]
            kept += len(part)
            parts.append(part)
            passed = min(size, len(self._data) - self._at)
            self._at += passed
            size -= passed
            if not size:
                return parts[0] if len(parts) == 1 else b"".join(parts), False
            if not self._grow():
                return b"", True

    def _ends_before(self, size: int) -> bool:
        """Whether a file that is not compressed, of which that is known, has fewer bytes left."""
        here = len(self._data) - self._at
        return not self._frames.codec and size > here and self._passed + self._at + size > self._frames.size()


_LINE_END = re.compile(rb"\n")


def _opens_record(data: bytes) -> bool:
    data = data[:_MAX_HEADER].lstrip(_NEWLINES)
    line = data[:_MAX_ARC_LINE].partition(b"\n")
    return _WARC_LINE.match(data) is not None or (bool(line[1]) and _ARC_LINE.match(line[0] + line[1]) is not None)
