"""Read plain text files: one document a file, a paragraph or a line; plain or packed.

The charset is told by each file's mark, validity as UTF-8 or detection, unless `encoding` says it. All text is
NFC, with line feeds and tabs as its only control characters. A paragraph ends at a blank line; blank ones are no
documents.
Text in no charset leaves as `undecodable`, a packed file that is damaged as `damaged_input`: one row for a file, and
for paragraphs and lines one for the place behind which nothing is read.

Many small files make poor shards, so they are bundled by hash of name: a new file touches one bundle. `record` is the
byte offset of the document in its unpacked file, `cursor` the file's number in the bundle and that offset. Of files
only the document in the making is held. `text` is not stored but read again where it is needed; `keep: [text]`
stores it. Costs opening each file, decoding and cleaning: 50 MB/s for lines of 2 KB, 70 for whole files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, NamedTuple

import pyarrow as pa
from pydantic import AfterValidator

from datapipe.algo.inputs import DAMAGED_INPUT, ROW_HEAD, batches, bundle, digest16, find_files, packed_suffixes
from datapipe.algo.lines import Charset, Line, charset_of, known_charset, lines
from datapipe.algo.pages import page_url, whole_file
from datapipe.stage import File, Size, Source, SourceConfig, Split, measure, schema
from datapipe.text import clean

NO_TEXT = "no_text"
TEXT_TOO_LARGE = "text_too_large"
UNDECODABLE = "undecodable"
_SUFFIXES = packed_suffixes("txt", "text", "md")
_OFFSET_BITS = 44  # of a cursor; the file's number in the bundle stands above: 16 TiB and half a million files


class Config(SourceConfig):
    """What a document is, and under which URL."""

    unit: Literal["file", "paragraph", "line"] = measure("file", "what becomes one document")
    encoding: Annotated[str | None, AfterValidator(known_charset)] = measure(
        None, "charset such as utf-8 or gb18030; none given: detected in each file"
    )
    base_url: str | None = measure(None, "put before the file's relative name to make its URL; none: no URL")
    max_text_bytes: Size = measure(64 << 20, "bytes of a document when unpacked; more: text_too_large", gt=0)


ADDS = schema(url=pa.string(), text=pa.large_string(), source=pa.string(), snapshot=pa.string())
_COLUMNS = pa.schema([*ROW_HEAD, *ADDS])


class _Piece(NamedTuple):
    """A document as it stands in its file; `data` is None with a reason."""

    offset: int
    size: int
    data: bytes | None
    reason: str | None = None


def splits(config: Config) -> list[Split]:
    """Bundles of files."""
    return bundle(find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents of the bundle from `cursor` on; raises InputError if a file cannot be opened."""
    constants = {"source": config.source, "snapshot": config.snapshot}
    yield from batches(_rows(split, config, cursor), _COLUMNS, constants, cursor=cursor)


def _rows(split: Split, config: Config, cursor: int) -> Iterator[tuple[Any, ...]]:
    first, offset = cursor >> _OFFSET_BITS, cursor & ((1 << _OFFSET_BITS) - 1)
    for number, file in enumerate(split.files[first:], first):
        charset, pieces = _pieces(file, config, offset if number == first else 0)
        url = page_url(file, config.base_url)
        for piece in pieces:
            text, reason = _decoded(piece, charset)
            place = (piece.offset, number << _OFFSET_BITS | piece.offset, piece.size, file.name, reason)
            yield *place, digest16(piece.data or b""), url, text


def _decoded(piece: _Piece, charset: Charset) -> tuple[str | None, str | None]:
    """A document's text, or the reason why there is none."""
    if piece.data is None:
        return None, piece.reason
    text = charset.decode(piece.data)
    if text is None:
        return None, UNDECODABLE
    text = clean(text)
    return (text, None) if text else (None, NO_TEXT)


def _pieces(file: File, config: Config, offset: int) -> tuple[Charset, Iterable[_Piece]]:
    if config.unit == "file":
        return Charset(config.encoding, given=config.encoding is not None), [_whole(file, config)]
    charset = charset_of(file, config.encoding)
    found = lines(file, offset, config.max_text_bytes, charset.newline)
    return charset, _each_line(found, charset) if config.unit == "line" else _paragraphs(found, charset, config)


def _whole(file: File, config: Config) -> _Piece:
    data, damaged = whole_file(file, config.max_text_bytes + 1)
    if damaged:
        return _Piece(0, 0, None, DAMAGED_INPUT)
    if len(data) > config.max_text_bytes:
        return _Piece(0, file.size, None, TEXT_TOO_LARGE)
    return _Piece(0, len(data), data)


def _each_line(found: Iterable[Line], charset: Charset) -> Iterator[_Piece]:
    for line in found:
        if line.data is None:
            yield _Piece(line.offset, line.size, None, TEXT_TOO_LARGE if line.size else DAMAGED_INPUT)
        elif not charset.is_blank(line.data):
            yield _Piece(line.offset, line.size, line.data)


def _paragraphs(found: Iterable[Line], charset: Charset, config: Config) -> Iterator[_Piece]:
    """Lines that stand together. One over the limit loses its bytes, one with a damaged place is that place."""
    held: list[bytes] = []
    begin, size = -1, 0
    for line in found:
        damaged = line.data is None and not line.size
        if damaged:
            yield _Piece(line.offset if begin < 0 else begin, 0, None, DAMAGED_INPUT)
            return
        if line.data is not None and charset.is_blank(line.data):
            if begin >= 0:
                yield _paragraph(begin, size, held, charset)
            held, begin, size = [], -1, 0
            continue
        begin = line.offset if begin < 0 else begin
        size += line.size + len(charset.newline) * (size > 0)
        if line.data is None or size > config.max_text_bytes:
            held = []
        elif held or size == line.size:
            held.append(line.data)
    if begin >= 0:
        yield _paragraph(begin, size, held, charset)


def _paragraph(begin: int, size: int, held: list[bytes], charset: Charset) -> _Piece:
    """Its lines, which are gone if there are too many bytes of them."""
    if not held:
        return _Piece(begin, size, None, TEXT_TOO_LARGE)
    return _Piece(begin, size, charset.newline.join(held))


STAGE = Source(
    name="read.text",
    version=1,
    config=Config,
    adds=ADDS,
    reasons={
        NO_TEXT: "there is nothing but spaces and control characters",
        TEXT_TOO_LARGE: "the document has more bytes than max_text_bytes",
        UNDECODABLE: "the bytes are text in no known charset",
    },
    libraries=("resiliparse",),
    splits=splits,
    read=read,
    transient=("text",),
    seeks=("txt", "text", "md"),
)
