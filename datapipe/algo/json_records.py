"""Records of JSON files: one a line, or the values of an array or of a stream.

Costs parsing, by orjson where it can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from datapipe.algo.fields import Entry, parse
from datapipe.algo.inputs import digest16
from datapipe.algo.json_values import json_values
from datapipe.algo.lines import Line, lines
from datapipe.stage import File

__all__ = ["line_records", "value_records"]

_BOM = b"\xef\xbb\xbf"


def line_records(file: File, cursor: int, limit: int) -> Iterator[Entry]:
    """A record for each line from byte `cursor` on that is not blank; raises InputError as `lines` does."""
    return _records(lines(file, cursor, limit))


def value_records(file: File, cursor: int, limit: int) -> Iterator[Entry]:
    """A record for each value of an array, or of values that follow each other; raises InputError as `lines` does."""
    return _records(json_values(file, cursor, limit))


def _records(found: Iterable[Line]) -> Iterator[Entry]:
    for offset, size, data in found:
        if data is None:
            yield Entry(offset, size, digest16(b""), None, too_large=size > 0)
            continue
        line = data if offset else data.removeprefix(_BOM)
        if line and not line.isspace():
            yield Entry(offset, size, digest16(line), parse(line))
