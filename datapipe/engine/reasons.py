"""Reasons: which rows stay, which leave and why; how they are stored and counted, the same for every kind of stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.corpus.ids import Hashes, Tally, tally
from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.record import Part
from datapipe.corpus.store import Store
from datapipe.engine.part import PartWriter
from datapipe.stage import schema

__all__ = ["REASONS", "combined", "joined", "kept_mask", "kept_rows", "nobody", "tallies", "write_reasons"]

REASONS = schema(row=pa.uint32(), reason=pa.string())


def nobody(rows: int) -> Any:
    """No reason for any of some rows."""
    return pa.nulls(rows, pa.string())


def joined(parts: list[Any]) -> Any:
    """Reasons of consecutive batches as one array."""
    return pa.concat_arrays([nobody(0), *parts])


def combined(first: Any, second: Any) -> Any:
    """The first reason where there is one, else the second."""
    return pc.coalesce(first.cast(pa.string()), second.cast(pa.string()))  # no rows may come as null


def kept_mask(reasons: Any) -> Any:
    """Where there is no reason to leave."""
    return pc.is_null(reasons).to_numpy(zero_copy_only=False)


def tallies(hashes: Hashes, reasons: Any) -> dict[str, Tally]:
    """The documents that left, by reason in order of its name; `hashes` (rows, 2) are those of their ids."""
    codes = reasons.dictionary_encode()
    at = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    found = {reason: tally(hashes[at == code]) for code, reason in enumerate(codes.dictionary.to_pylist())}
    return dict(sorted(found.items()))


def write_reasons(store: Store, path: str, rows: Rows, reasons: Any) -> Part:
    """Write `<path>.reasons.parquet`: every row that came in, with its reason or null."""
    writer = PartWriter(store, f"{path}.reasons.parquet", REASONS)
    writer.write(pa.RecordBatch.from_arrays([pa.array(rows), reasons], schema=REASONS))
    return writer.commit()


def kept_rows(store: Store, part: Part | None) -> Rows:
    """Rows without a reason, from a reasons file."""
    if part is None:
        return np.zeros(0, np.uint32)
    file = TableFile(store, part)
    kept: Rows = file.rows[kept_mask(file.take("reason", np.arange(part.rows)))]
    return kept
