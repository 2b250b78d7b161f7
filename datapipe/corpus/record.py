"""Records: the small JSON beside each file, written last. A shard is done when its record stands.

A record says which values and decisions the files hold (fingerprints), which documents came in, stayed
and left (tallies), and a digest of every column, so that a reader can tell a file that fits from one that
does not. `work` and the times of input files depend on when and how it ran; all else is the same on any machine.
Records are folded into one Parquet file when a stage is complete.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datapipe.corpus.ids import SHARD_FILE, Tally
from datapipe.corpus.store import Store
from datapipe.errors import CorruptData

__all__ = [
    "FOLDED",
    "FileSeen",
    "Part",
    "Record",
    "SplitSeen",
    "Work",
    "disown",
    "fold",
    "is_record",
    "read_record",
    "read_records",
    "write_record",
]

FOLDED = "records.parquet"
_RECORD_FILE = re.compile(SHARD_FILE.pattern + "json")


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Closed):
    """One Parquet file: in which run (empty = this one; else relative to it), where, and what it holds.

    `digests` holds per column one digest a row group, `facts` what a sink says of a file that it wrote.
    """

    run: str = ""
    path: str
    rows: int
    bytes: int
    digests: dict[str, list[str]]
    facts: dict[str, Any] | None = Field(default=None, exclude_if=lambda facts: facts is None)


class FileSeen(_Closed):
    """An input file as it was when it was read."""

    name: str
    size: int
    modified: str


class SplitSeen(_Closed):
    """Which split of the input a base shard comes from, where it starts, and where the next one would."""

    name: str
    number: int
    cursor: int
    next_cursor: int | None  # None: this shard is the last of its split
    files: tuple[FileSeen, ...]
    digest: str  # of the files' bytes; tells a touched file from a changed one


class Work(_Closed):
    """What this task did; the only part of a record that differs between runs."""

    processed: int = 0  # documents measured
    reread: int = 0  # documents whose transient columns were made again
    bytes_read: int = 0
    seconds: float = 0.0


class Record(_Closed):
    """What one stage did to one shard."""

    shard: str
    stage: str
    base: str  # digest of the base shard: of its ids, and of all that it stores
    values: str  # value fingerprint of the columns
    decision: str  # fingerprint of what turned columns into reasons
    rows_in: str  # digest of the rows that came in
    rows_kept: str  # digest of the rows that stay
    incoming: Tally
    kept: Tally
    dropped: dict[str, Tally] = {}
    not_applied: int = 0
    not_judged: int = 0
    # Of columns over the documents that it judged and kept, as its stage's `notice` asks.
    sums: dict[str, int] = Field(default={}, exclude_if=lambda sums: not sums)
    bytes_in: int = 0  # bytes as read, of the documents that came in
    bytes_kept: int = 0
    layer: tuple[Part, ...] = ()
    reasons: Part | None = None
    split: SplitSeen | None = None
    buckets: list[int] | None = None  # of an exchange file: row at which each bucket starts
    weight: int = 0  # of an exchange file that a sink gathers: what its rows weigh
    work: Work = Work()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All files that it describes."""
        return (*self.layer, self.reasons) if self.reasons else self.layer

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files of this run that it describes; those of other runs are theirs to keep."""
        return tuple(part.path for part in self.parts if not part.run)

    def adds_up(self) -> bool:
        """Conservation: incoming = kept + dropped, by count and by sum."""
        return self.incoming == sum(self.dropped.values(), self.kept)


def record_name(stage: str, shard: str) -> str:
    """File name of a record."""
    return f"{stage}/{shard}.json"


def write_record(store: Store, record: Record) -> None:
    """Write a record; from then on its shard is done."""
    store.write(record_name(record.stage, record.shard), record.model_dump_json(indent=1).encode())


def disown(store: Store, record: Record | None) -> None:
    """Before files of a shard are replaced: a killed task must not leave its old record beside new files."""
    if record is not None:
        write_record(store, record.model_copy(update={"values": "", "decision": ""}))


def _parse(data: bytes | str, name: str) -> Record:
    try:
        return Record.model_validate_json(data)
    except ValidationError as error:
        raise CorruptData(f"{name} is no record", remedy="delete it and run again: it will be made anew") from error


def read_record(store: Store, stage: str, shard: str) -> Record | None:
    """The record of one shard that is not folded yet, or None."""
    name = record_name(stage, shard)
    return _parse(store.read(name), store.path(name)) if store.exists(name) else None


def read_records(store: Store, stage: str) -> dict[str, Record]:
    """All records of a stage by shard: the folded ones, and over them those that stand alone.

    A record whose files were deleted is left out, so that they are made anew.
    """
    found: dict[str, Record] = {}
    if store.exists(f"{stage}/{FOLDED}"):
        name = store.path(f"{stage}/{FOLDED}")
        try:
            table = pq.read_table(io.BytesIO(store.read(f"{stage}/{FOLDED}")))
            found = {
                shard: _parse(text, name)
                for shard, text in zip(*(table[c].to_pylist() for c in ("shard", "record")), strict=True)
            }
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise CorruptData(
                f"{name} is damaged", remedy=f"delete the folder {store.path(stage)} and run again"
            ) from error
    names = store.names(stage)
    for file in names:
        if is_record(file):
            found[file[:-5]] = _parse(store.read(f"{stage}/{file}"), store.path(f"{stage}/{file}"))
    there = {f"{stage}/{name}" for name in names}
    inner = {posixpath.dirname(file) for record in found.values() for file in record.files} - {stage}
    there |= {f"{folder}/{name}" for folder in inner for name in store.names(folder)}
    return {shard: record for shard, record in sorted(found.items()) if there.issuperset(record.files)}


def is_record(file: str) -> bool:
    """Whether a file of a stage's folder is a single record."""
    return _RECORD_FILE.fullmatch(file) is not None


def fold(store: Store, stage: str, records: dict[str, Record]) -> None:
    """Put all records of a complete stage into one file, then remove the single ones."""
    rows = {"shard": list(records), "record": [record.model_dump_json() for record in records.values()]}
    with store.commit(f"{stage}/{FOLDED}") as target:
        pq.write_table(pa.table(rows), target, compression="zstd")
    for shard in records:
        store.remove(record_name(stage, shard))


def write_json(store: Store, name: str, value: Any) -> None:
    """A JSON file for people and tools, keys in the order given."""
    store.write(name, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())
