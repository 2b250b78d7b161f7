"""Decompressed bytes of a file, member by member, with what is damaged told apart from what is not there.

A compressed archive is mostly one member (gzip member, zstd or lz4 frame) per record, which is what
makes it seekable. This module yields such members in chunks of bounded size, gives out all bytes before a
damaged place, and finds the next member behind it. It is written here, not taken from a reader of
archives, because those skip over damage or stop at it without a word.
Costs what the decompressor costs; never holds more than a few chunks, however well a bomb is packed.
"""

from __future__ import annotations

import bz2
import io
import lzma
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias, cast

import fsspec
import lz4.frame
import zstandard
from zlib_ng import zlib_ng

from datapipe.errors import InputError
from datapipe.stage import File

_zlib: Any = zlib_ng  # half of zlib's time, the same interface; its type hints lack `copy` and what `error` is
BLOCK = 256 << 10  # bytes read from the file in one go
STEP = 64 << 10  # compressed bytes that a decoder is fed in one go, counted from where its member starts
CHUNK = 256 << 10  # bytes decompressed in one go
_FIRST = 8 << 10  # the first chunk of a member holds at least this much of it, so that it can be recognised
_MOST_DICTIONARY = 16 << 20  # bytes; real ones have some hundred KB
_SHORT = 512  # packed bytes that hold the first line of a record
_PIECE = 1 << 10  # bytes fed to decoders whose output cannot be bounded: zstd makes at most 32 MiB of these


class Damage(Exception):
    """The bytes at and behind the end of what was yielded cannot be decompressed."""

    def __init__(self, member: int) -> None:
        super().__init__(f"damaged member at byte {member}")
        self.member = member


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some bytes; `member` is the offset in the file of the member they are in, `fresh` if they open it.

    `at` is the offset of the step of compressed bytes that they come from. Chunks depend on the member alone, not
    on where reading began, so that what is told by `member`, `at` and sizes is the same on every way through a file.
    """

    member: int
    at: int
    fresh: bool
    data: bytes


def open_file(file: File) -> BinaryIO:
    """The file as it stands, compressed or not; raises InputError."""
    try:
        if "://" not in file.path:
            return Path(file.path).open("rb", buffering=0)
        return cast(BinaryIO, fsspec.open(file.path, "rb").open())
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{file.path}: cannot be opened ({error})", remedy="check the path and its rights") from error


# ---------------------------------------------------------------------------------------------- decoders


_Bytes: TypeAlias = bytes | memoryview


class _Broken(Exception):
    """What every decoder raises on bad bytes."""


class _Decoder(Protocol):
    done: bool
    unused: bytes

    def feed(self, data: _Bytes) -> Iterator[bytes]: ...


class _Gzip:
    """zlib drops the output of a failing call, so each call starts from a copy that can be replayed."""

    done = False
    unused = b""

    def __init__(self) -> None:
        self._inner = _zlib.decompressobj(31)

    def feed(self, data: _Bytes) -> Iterator[bytes]:
        while True:
            before = self._inner.copy()
            try:
                out = self._inner.decompress(data, CHUNK)
            except _zlib.error:
                yield from _replay(before, data)
                raise _Broken from None
            yield out
            data = self._inner.unconsumed_tail
            if self._inner.eof or (not data and len(out) < CHUNK):
                break
        self.done, self.unused = self._inner.eof, self._inner.unused_data


def _replay(inner: Any, data: _Bytes) -> Iterator[bytes]:
    """All that can be had from `data`, one byte at a time, up to the byte that breaks the decoder."""
    for place in range(len(data)):
        try:
            out = inner.decompress(data[place : place + 1])
        except _zlib.error:
            return
        if out:
            yield out


class _Bounded:
    """Decoders that keep their own input and give out at most CHUNK bytes: lz4, bz2, xz."""

    done = False
    unused = b""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def feed(self, data: _Bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _PIECE * 16):
            piece = data[start : start + _PIECE * 16]
            while True:
                try:
                    out = self._inner.decompress(piece, CHUNK)
                except (OSError, RuntimeError, ValueError, EOFError, lzma.LZMAError):
                    raise _Broken from None
                yield out
                piece = b""
                if self._inner.eof:
                    self.done, self.unused = True, (self._inner.unused_data or b"") + data[start + _PIECE * 16 :]
                    return
                if self._inner.needs_input:
                    break


class _Zstd:
    done = False
    unused = b""

    def __init__(self, dictionary: zstandard.ZstdCompressionDict | None) -> None:
        self._inner = zstandard.ZstdDecompressor(dict_data=dictionary).decompressobj()

    def feed(self, data: _Bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _PIECE):
            try:
                yield self._inner.decompress(data[start : start + _PIECE])
            except zstandard.ZstdError:
                raise _Broken from None
            if self._inner.eof:
                self.done, self.unused = True, self._inner.unused_data + data[start + _PIECE :]
                return


_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
}
_SKIPPABLE = b"\x2a\x4d\x18"  # bytes 1 to 3 of a skippable zstd or lz4 frame; its length follows


# ---------------------------------------------------------------------------------------------- frames


class Frames:
    """An open file as decompressed chunks; the codec is told by its first bytes, not by its name."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        head = file.read(8)
        self._dictionary = self._read_dictionary(head)
        if self._dictionary is not None:
            self._magic, self.codec = b"\x28\xb5\x2f\xfd", "zstd"
        else:
            found = ((magic, name) for magic, name in _MAGIC.items() if head.startswith(magic))
            self._magic, self.codec = next(found, (b"", ""))

    def _read_dictionary(self, head: bytes) -> zstandard.ZstdCompressionDict | None:
        """The dictionary that opens a .warc.zst file as a skippable frame (IIPC's proposal of 2021)."""
        if head[:4] != b"\x5d\x2a\x4d\x18" or len(head) < 8:
            return None
        size = int.from_bytes(head[4:8], "little")
        data = self._file.read(size) if size <= _MOST_DICTIONARY else b""
        try:
            if data.startswith(b"\x28\xb5\x2f\xfd"):
                with zstandard.ZstdDecompressor().stream_reader(data) as unpacked:
                    data = unpacked.read(_MOST_DICTIONARY + 1)
            if not data or len(data) > _MOST_DICTIONARY:
                return None
            return zstandard.ZstdCompressionDict(data)
        except zstandard.ZstdError:
            return None

    def _decoder(self) -> _Decoder:
        if self.codec == "gzip":
            return _Gzip()
        if self.codec == "zstd":
            return _Zstd(self._dictionary)
        inner = {"lz4": lz4.frame.LZ4FrameDecompressor, "bz2": bz2.BZ2Decompressor, "xz": lzma.LZMADecompressor}
        return _Bounded(inner[self.codec]())

    def chunks(self, start: int) -> Iterator[Chunk]:
        """Chunks from the member at byte `start` on; raises Damage behind the last good byte."""
        self._file.seek(start)
        if not self.codec:
            while read := self._file.read(BLOCK):
                yield Chunk(0, 0, fresh=False, data=read)
            return
        member, data = start, memoryview(b"")
        while True:
            data = self._more(data) if len(data) < 8 else data
            if not data:
                return
            if self.codec == "gzip" and data[0] == 0:  # gzip files may be padded with zeros
                padded, data = len(data), memoryview(bytes(data).lstrip(b"\0"))
                member += padded - len(data)
                continue
            if data[1:4] == _SKIPPABLE and self.codec in ("zstd", "lz4"):
                member += 8 + int.from_bytes(data[4:8], "little")
                self._file.seek(member)
                data = memoryview(b"")
                continue
            if not bytes(data[:8]).startswith(self._magic):
                raise Damage(member)
            data = yield from self._member(member, data)
            member = self._file.tell() - len(data)

    def size(self) -> int:
        """Bytes of the file as it is stored."""
        here = self._file.tell()
        end = self._file.seek(0, io.SEEK_END)
        self._file.seek(here)
        return end

    def _more(self, data: memoryview) -> memoryview:
        read = self._file.read(BLOCK)
        return memoryview(bytes(data) + read) if data else memoryview(read)

    def _member(self, member: int, data: memoryview) -> Generator[Chunk, None, memoryview]:
        """Yields the member's chunks and returns what was read behind it."""
        decoder, fresh, held, at = self._decoder(), True, b"", member
        while True:
            data = self._more(data) if len(data) < STEP else data
            step = data[:STEP]
            if not step:
                break
            try:
                for out in decoder.feed(step):
                    held = held + out if held else out
                    if len(held) >= (_FIRST if fresh else 1):
                        yield Chunk(member, at, fresh, held)
                        fresh, held = False, b""
            except _Broken:
                break
            data = data[len(step) - len(decoder.unused) :]
            if decoder.done:
                break
            at += len(step)
        if held:
            yield Chunk(member, at, fresh, held)
        if not decoder.done:
            raise Damage(member)
        return data

    def next_member(self, after: int, known: Callable[[bytes], bool]) -> int | None:
        """Offset of the first member behind byte `after` that can be opened and whose content is `known`."""
        base, data = after + 1, b""
        while self.codec:
            data = self._read_at(base, BLOCK)
            at = data.find(self._magic)
            while at >= 0:
                head = data[at : at + _FIRST] if at + _FIRST <= len(data) else self._read_at(base + at, _FIRST)
                if known(self._opened(head)):
                    return base + at
                at = data.find(self._magic, at + 1)
            if len(data) < BLOCK:
                return None
            base += len(data) - len(self._magic) + 1
        return None

    def _read_at(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def _opened(self, head: bytes) -> bytes:
        """What the first bytes of what may be a member unpack to; empty if it is none.

        Tried twice, in case a member is damaged further on; never byte by byte, for files may be full of such places.
        """
        for tried in (head, head[:_SHORT]):
            try:
                if self.codec == "gzip":
                    return bytes(_zlib.decompressobj(31).decompress(tried, CHUNK))
                return next(filter(None, self._decoder().feed(tried)), b"")
            except (_Broken, _zlib.error):
                continue
        return b""
