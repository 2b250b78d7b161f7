"""Records of Parquet and Arrow files, one a row, as Python has them.

Null is left out, for a table has no other way to say that a field is not there. A place that cannot be read, and a
row with a string that is no UTF-8, is an entry without fields.
Costs making Python values, and JSON of each row for its digest: some 10 microseconds for a row of 1 KB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datapipe.algo.fields import Entry, as_json
from datapipe.algo.inputs import digest16
from datapipe.algo.tables import Piece, arrow_pieces, parquet_pieces, values_of
from datapipe.stage import File

__all__ = ["arrow_records", "parquet_records"]


def parquet_records(file: File, cursor: int, limit: int) -> Iterator[Entry]:
    """A record for each row from row `cursor` on, with its size as JSON; raises InputError as `parquet_pieces` does."""
    return _records(parquet_pieces(file, _everything, cursor), limit)


def arrow_records(file: File, cursor: int, limit: int) -> Iterator[Entry]:
    """The same of an Arrow IPC file or stream."""
    return _records(arrow_pieces(file, _everything, cursor), limit)


def _everything(_: Any) -> None:
    return None


def _records(pieces: Iterator[Piece], limit: int) -> Iterator[Entry]:
    nothing = digest16(b"")
    for first, batch, damaged in pieces:
        if batch is None:
            yield Entry(first, 0, nothing, None)
            continue
        names = batch.schema.names
        columns = [values_of(column) for column in batch.columns]
        for number, row in enumerate(zip(*columns, strict=True)):
            if damaged is not None and damaged[number]:
                yield Entry(first + number, 0, nothing, None)
                continue
            data: dict[str, Any] = without_nulls(dict(zip(names, row, strict=True)))
            written = as_json(data).encode()
            large = len(written) > limit
            digest = nothing if large else digest16(written)
            yield Entry(first + number, len(written), digest, None if large else data, too_large=large)


def without_nulls(value: Any) -> Any:
    """The same without nulls in dicts, at any depth."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return value
