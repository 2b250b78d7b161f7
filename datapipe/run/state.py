"""What stands in a run folder: the records of each stage, and those that other runs lend.

A shard of a stage is current when its record's fingerprints are today's and the rows that come in are the
rows it saw; then its task is not even made.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from typing import Any

from datapipe.corpus.ids import Tally
from datapipe.corpus.record import (
    FOLDED,
    Part,
    Record,
    fold,
    is_record,
    read_records,
    record_name,
    write_json,
    write_record,
)
from datapipe.corpus.store import Store
from datapipe.errors import ConservationError, InputError

__all__ = ["State", "conserve"]


class State:
    """Records by stage and shard."""

    def __init__(self, store: Store, reuse: tuple[str, ...] = ()) -> None:
        self.store = store
        self._records: dict[str, dict[str, Record]] = {}
        self._lenders = [self._relative(url) for url in reuse]
        self._lent: dict[tuple[str, str], dict[str, Record]] = {}
        for url in reuse:
            if not Store(url).exists("recipe.yaml"):
                raise InputError(f"reuse: {url} is no run", remedy="name the folder of a finished run, or take it out")

    def _relative(self, url: str) -> str:
        there = Store(url)
        if there.local and self.store.local:
            return os.path.relpath(there.path(), self.store.path()).replace(os.sep, "/")
        return url

    def of(self, stage: str) -> dict[str, Record]:
        """Records of a stage in this run, by shard."""
        if stage not in self._records:
            self._records[stage] = read_records(self.store, stage)
        return self._records[stage]

    def get(self, stage: str, shard: str, values: str) -> Record | None:
        """The record of a shard; failing one with these values, that of a run to reuse, or the stale one."""
        own = self.of(stage).get(shard)
        if own is not None and not self.intact(own):
            own = None
        if own is not None and own.values == values:
            return own
        return next((record for record in self.lent_by_values(stage, values, shard)), own)

    def _of_other(self, run: str, stage: str) -> dict[str, Record]:
        """Records of a stage in another run, which is named from here."""
        key = (run, stage)
        if key not in self._lent:
            self._lent[key] = read_records(self.store.at(run), stage)
        return self._lent[key]

    def intact(self, record: Record) -> bool:
        """Whether the files that other runs lend to a record are still what those runs say they hold."""
        return all(self._lends(part, record) for part in record.parts if part.run)

    def _lends(self, part: Part, record: Record) -> bool:
        theirs = self._of_other(part.run, record.stage).get(record.shard)
        return theirs is not None and part.model_copy(update={"run": ""}) in theirs.parts

    def lent_by_values(self, stage: str, values: str, shard: str | None = None) -> Iterator[Record]:
        """The records of a stage, or of one of its shards, that other runs lend and that hold these values."""
        for relative in self._lenders:
            theirs = self._of_other(relative, stage)
            for record in theirs.values() if shard is None else [theirs[shard]] if shard in theirs else []:
                found = lent(record, relative)
                if record.values == values and self.intact(found):
                    yield found

    def put(self, record: Record) -> None:
        """Note a record that a task has written."""
        self.of(record.stage)[record.shard] = record

    def adopt(self, record: Record) -> None:
        """Take over a record as it stands."""
        write_record(self.store, record)
        self.put(record)

    def forget(self, stage: str, shard: str) -> None:
        """Drop a shard that is no longer there, with the files that its record names."""
        record = self.of(stage).pop(shard)
        self.store.remove(record_name(stage, shard))
        for name in record.files:
            self.store.remove(name)

    def drop(self, stage: str) -> None:
        """Remove the folder of a stage's records, with all that is in it."""
        self._records[stage] = {}
        self.store.remove(stage)

    def close(self, stage: str, shards: list[str]) -> dict[str, Record]:
        """Fold the records of a complete stage into one file; returns them."""
        records = {shard: self.of(stage)[shard] for shard in sorted(shards)}
        loose = any(is_record(name) for name in self.store.names(stage))
        if loose or not self.store.exists(f"{stage}/{FOLDED}"):
            fold(self.store, stage, records)
        for shard in self.of(stage).keys() - records.keys():  # of a file that now fills fewer shards
            self.forget(stage, shard)
        self.store.sweep(stage)
        return records

    def describe(self, stage: str, about: dict[str, Any]) -> None:
        """Say in `stage.json` what a stage is and what it did."""
        write_json(self.store, f"{stage}/stage.json", {**about, "totals": totals(list(self.of(stage).values()))})


def lent(record: Record, run: str) -> Record:
    """A record of another run, its files named from here."""

    def away(part: Any) -> Any:
        return part.model_copy(update={"run": posixpath.normpath(posixpath.join(run, part.run)) if part.run else run})

    layer = tuple(away(part) for part in record.layer)
    reasons = away(record.reasons) if record.reasons else None
    return record.model_copy(update={"layer": layer, "reasons": reasons})


def totals(records: list[Record]) -> dict[str, Any]:
    """Sums over a stage's shards, for people and reports."""
    dropped: dict[str, int] = {}
    for record in records:
        for reason, tally in record.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + tally.documents
    return {
        "shards": len(records),
        "documents_in": sum(record.incoming.documents for record in records),
        "documents_kept": sum(record.kept.documents for record in records),
        "bytes_in": sum(record.bytes_in for record in records),
        "bytes_kept": sum(record.bytes_kept for record in records),
        "dropped": dict(sorted(dropped.items(), key=lambda item: (-item[1], item[0]))),
        "not_applied": sum(record.not_applied for record in records),
        "not_judged": sum(record.not_judged for record in records),
        **_summed(records),
        "sum_in": sum((record.incoming for record in records), Tally()).sum,
        "sum_kept": sum((record.kept for record in records), Tally()).sum,
    }


def _summed(records: list[Record]) -> dict[str, dict[str, int]]:
    """`sums` of a stage that has a notice; nothing of others."""
    names = sorted({name for record in records for name in record.sums})
    sums = {name: sum(record.sums.get(name, 0) for record in records) for name in names}
    return {"sums": sums} if sums else {}


def conserve(record: Record, before: Record | None) -> None:
    """Check that no document was lost, doubled or exchanged: within a stage, and from the one before."""
    where = f"stage {record.stage!r}, shard {record.shard}"
    if not record.adds_up():
        raise ConservationError(
            f"{where}: {record.incoming.documents} documents came in, {record.kept.documents} stayed and "
            f"{sum(t.documents for t in record.dropped.values())} left, or they are not the same documents",
            remedy="this is a bug of datapipe or a damaged run: delete the stage's folder and run again",
        )
    if before is not None and record.incoming != before.kept:
        raise ConservationError(
            f"{where}: {record.incoming.documents} documents came in where {before.kept.documents} left "
            f"{before.stage!r}, or they are not the same documents",
            remedy="delete the stage's folder and run again",
        )
