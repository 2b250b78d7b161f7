"""Names that never change: of documents, of shards, and the sums that prove none was lost.

The id of a document comes from its source, its file's name below the input root, its place in the file
and its payload; so it survives a moved input root, another cut into shards and another machine.
Costs about half a microsecond a document.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import xxhash
from pydantic import BaseModel, ConfigDict

__all__ = ["SHARD_FILE", "Hashes", "Tally", "document_ids", "hash_ids", "shard_name", "tally"]

Hashes: TypeAlias = "np.ndarray[Any, np.dtype[np.uint64]]"

SHARD_FILE = re.compile(r"([0-9a-f]{16}-\d{4,})\.")  # how the files of a shard begin


def document_ids(source: str, batch: pa.RecordBatch) -> Any:
    """Ids of a source's rows: the user's own, or 32 hex of xxh3-128(source, file, record, payload digest).

    One of several documents of a record, which has a value in `within`, is a child: `parent#within`.
    """
    if "id" in batch.schema.names:
        return batch.column("id")
    digests = batch.column("digest").to_pylist()
    places = zip(batch.column("file").to_pylist(), batch.column("record").to_pylist(), digests, strict=True)
    hexdigest = xxhash.xxh3_128_hexdigest
    made = [hexdigest(f"{source}\0{file}\0{record}\0".encode() + (digest or b"")) for file, record, digest in places]
    if "within" in batch.schema.names:
        within = batch.column("within").to_pylist()
        made = [own if each is None else f"{own}#{each}" for own, each in zip(made, within, strict=True)]
    return pa.array(made, pa.string())


def shard_name(source: str, split: str, number: int) -> str:
    """16 hex of the hash of source and split name, a dash, and the shard's number in the split."""
    key = xxhash.xxh3_64_hexdigest(f"{source}\0{split}".encode())
    return f"{key}-{number:04d}"


def hash_ids(ids: Any) -> Hashes:
    """128-bit hashes of ids as (rows, 2) uint64."""
    digest = xxhash.xxh3_128_digest
    return np.frombuffer(b"".join([digest(value.encode()) for value in ids.to_pylist()]), "<u8").reshape(-1, 2)


class Tally(BaseModel):
    """How many documents, and a sum over hashes of their ids that does not depend on their order.

    The sum is two independent 64-bit sums: exchanged documents show even where counts agree.
    """

    model_config = ConfigDict(frozen=True)

    documents: int = 0
    sum: str = "0" * 32

    def __add__(self, other: Tally) -> Tally:
        return _tally(
            self.documents + other.documents, *(a + b for a, b in zip(self._halves, other._halves, strict=True))
        )

    def __sub__(self, other: Tally) -> Tally:
        return _tally(
            self.documents - other.documents, *(a - b for a, b in zip(self._halves, other._halves, strict=True))
        )

    @property
    def _halves(self) -> tuple[int, int]:
        return int(self.sum[:16], 16), int(self.sum[16:], 16)


def _tally(documents: int, high: int, low: int) -> Tally:
    return Tally(documents=documents, sum=f"{high % 2**64:016x}{low % 2**64:016x}")


def tally(hashes: Hashes) -> Tally:
    """Tally of the documents whose id hashes are given, shape (rows, 2)."""
    high, low = hashes.sum(axis=0, dtype=np.uint64) if len(hashes) else (0, 0)
    return _tally(len(hashes), int(high), int(low))
