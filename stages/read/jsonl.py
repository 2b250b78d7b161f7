"""Read texts from JSON lines, plain or packed by gzip, zstd, lz4, bzip2 or xz.

One document a line; blank lines are passed over. A line that is no JSON object, is not UTF-8, or lacks
the id that `columns` promises is a row with `damaged_input`; so is the place where a packed file is
damaged, behind which nothing is read.

`record` equals `cursor`: the byte offset of the line in the unpacked stream, so that it is the same from
wherever reading starts. A plain file is resumed by a seek, a packed one by unpacking it up to there.
`text` is not stored but read again where it is needed; `keep: [text]` stores it.
Costs unpacking and some 20 microseconds for a line of 2 KB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from datapipe.algo.fields import (
    DAMAGED_INPUT,
    NO_TEXT,
    NO_TEXT_SAYS,
    TableConfig,
    adds,
    as_json,
    as_string,
    batch_schema,
    field_of,
    parse,
    substitute_id,
)
from datapipe.algo.frames import Damage, Frames, open_file
from datapipe.algo.inputs import batches, digest16, find_files, one_split_per_file
from datapipe.stage import File, Size, Source, Split, measure

RECORD_TOO_LARGE = "record_too_large"
_SUFFIXES = tuple(
    f".{kind}{packed}" for kind in ("jsonl", "ndjson") for packed in ("", ".gz", ".zst", ".lz4", ".bz2", ".xz")
)
_BOM = b"\xef\xbb\xbf"


class Config(TableConfig):
    """Which fields are which columns."""

    max_record_bytes: Size = measure(64 << 20, "bytes of a line; more: record_too_large", gt=0)


def splits(config: Config) -> list[Split]:
    """One split per file."""
    return one_split_per_file(find_files(config.paths, suffixes=_SUFFIXES))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from byte `cursor` on; raises InputError if the file cannot be opened, never for its bytes."""
    constants = {"source": config.source, "snapshot": config.snapshot}
    yield from batches(_rows(split.files[0], config, cursor), batch_schema(config), constants)


def _rows(file: File, config: Config, cursor: int) -> Iterator[tuple[Any, ...]]:
    fields = field_of(config)
    known = frozenset(fields.values())
    empty = (None,) * (len(fields) - ("id" in fields) + config.metadata)
    for offset, size, line in _lines(file, cursor, config.max_record_bytes):
        data = parse(line) if line else None
        own = as_string(data.get(fields["id"])) if data and "id" in fields else None
        identity: str | bytes = digest16(line or b"")
        if "id" in fields:
            identity = own or substitute_id(file.name, offset)
        if data is None or ("id" in fields and not own):
            reason = RECORD_TOO_LARGE if line is None and size else DAMAGED_INPUT
            yield offset, offset, size, file.name, reason, identity, *empty
            continue
        text = data.get(fields["text"])
        values = [as_string(data.get(field)) for name, field in fields.items() if name not in ("id", "text")]
        if config.metadata:
            rest = {name: value for name, value in data.items() if name not in known}
            values.append(as_json(rest) if rest else None)
        fine = isinstance(text, str)
        place = (offset, offset, size, file.name, None if fine else NO_TEXT, identity)
        yield *place, text if fine else None, *values


def _lines(file: File, cursor: int, limit: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Offset, size and bytes of each line that is not blank; None for one over the limit.

    A damaged place comes last, as the line in which it lies, with a size of 0.
    """
    with open_file(file) as opened:
        frames = Frames(opened)
        offset = 0 if frames.codec else cursor
        held: list[bytes] = []  # the line so far: at most `limit` bytes and a block
        size = 0
        chunks = frames.chunks(offset)
        while True:
            try:
                chunk = next(chunks, None)
            except Damage:
                if offset >= cursor:
                    yield offset, 0, None
                return
            pieces = chunk.data.split(b"\n") if chunk is not None else [b"", b""]
            for number, piece in enumerate(pieces):
                if size <= limit:
                    held.append(piece)
                size += len(piece)
                if number + 1 == len(pieces):
                    break
                line = b"".join(held) if size <= limit else None
                if line is not None and not offset:
                    line = line.removeprefix(_BOM)
                if offset >= cursor and (line is None or line.strip()):
                    yield offset, size, line
                offset += size + 1
                held, size = [], 0
            if chunk is None:
                return


STAGE = Source(
    name="read.jsonl",
    version=1,
    config=Config,
    adds=adds,
    reasons={NO_TEXT: NO_TEXT_SAYS, RECORD_TOO_LARGE: "the line has more bytes than max_record_bytes"},
    libraries=("orjson",),
    splits=splits,
    read=read,
    transient=("text",),
    seeks=("jsonl", "ndjson"),
)
