"""Finds the documents of a run that are most like a text, through the keys of a stage that compares documents.

The text gets keys as the stage gives them; documents that share one are candidates, and how alike each is is measured
by the stage's own means: from what the run keeps (`index: true`, and of all that resembled another), else from their
texts read again. A document that shares no key is not found: `Found.probability` says how likely that is not.
Costs, of each shard, the row groups that hold the keys, and of each candidate what is kept of it, or its text.
Memory: CANDIDATES places, and one batch of documents.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.corpus.exchange import BUCKETS
from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.record import Record
from datapipe.engine.answering import is_measured, measured_of
from datapipe.engine.calling import called
from datapipe.engine.columns import nothing
from datapipe.engine.shards import batches_of
from datapipe.errors import InputError, RunError
from datapipe.lineage.find import Place, find, names_of
from datapipe.lineage.story import SURVIVOR
from datapipe.recipe import Node
from datapipe.recipe.wording import did_you_mean
from datapipe.run.context import Context, Shard
from datapipe.run.paths import Path
from datapipe.run.reopen import open_columns, with_input
from datapipe.run.tasks import exchange
from datapipe.schema import qualified
from datapipe.stage import Group, Likeness
from datapipe.text import forget

__all__ = ["Alike", "Found", "similar"]

CANDIDATES = 10_000  # that are compared: those that share most keys
BATCH_ROWS = 256
BUCKET_BITS = np.uint64(64 - (BUCKETS - 1).bit_length())

Uint64s: TypeAlias = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Alike:
    """A document, how alike it is, the source it is of, and the id of what stays in its place (None: it stays)."""

    place: Place
    similarity: float
    source: str | None
    survivor: str | None


@dataclass(frozen=True)
class Found:
    """The most similar documents first, of how many that were compared; `probability` of finding one so alike."""

    stage: str
    use: str
    threshold: float
    probability: float
    sharing: int  # documents that share a key
    compared: int
    nearest: float | None  # the greatest similarity met, whatever the threshold
    alike: tuple[Alike, ...]


def similar(
    context: Context, text: str, stage: str | None = None, *, limit: int = 10, threshold: float | None = None
) -> Found:
    """The documents most like a text, given by a file or by a document's id; `threshold` defaults to the stage's own.

    Raises InputError where the run has no stage that can tell, or nothing of that name; RunError where the stage is
    not done.
    """
    searched = _Search(context, _node(context, stage))
    is_file = os.path.isfile(text)  # noqa: PTH113 - a URL may be too long for a name, where Path raises
    asked = searched.of_file(File(text)) if is_file else searched.of_document(text)
    least = searched.likeness.least(searched.config) if threshold is None else threshold
    candidates = list(searched.candidates(asked))
    count = sum(len(rows) for _, _, rows, _ in candidates)
    best, nearest, compared = searched.best(asked, _most_shared(candidates), (limit, least))
    return Found(
        stage=searched.node.name,
        use=searched.node.use,
        threshold=least,
        probability=searched.likeness.probability(least, searched.config),
        sharing=count,
        compared=compared,
        nearest=nearest,
        alike=tuple(searched.told(similarity, path, shard, row) for similarity, path, shard, row in best),
    )


def _node(context: Context, stage: str | None) -> Node:
    able = [name for name, node in context.recipe.nodes.items() if _likeness(node)]
    if stage in able or (stage is None and len(able) == 1):
        return context.recipe.nodes[stage or able[0]]
    if not able:
        message = f"{context.recipe.run} has no stage that tells how alike documents are"
        raise InputError(message, remedy="run it with a stage {use: dedup.minhash}")
    if stage is None:
        raise InputError(f"{len(able)} stages tell how alike documents are", remedy=f"--stage {' or '.join(able)}")
    raise InputError(f"stage {stage!r} does not tell how alike documents are", remedy=did_you_mean(stage, able))


def _likeness(node: Node) -> Likeness | None:
    return node.stage.likeness if isinstance(node.stage, Group) else None


@dataclass(frozen=True)
class _Asked:
    """The keys of what is asked for, what is measured of it (one row), and where it stands, if it does."""

    keys: Uint64s
    measured: pa.RecordBatch
    place: tuple[str, int] | None = None


_Candidates: TypeAlias = tuple[Path, Shard, Rows, "npt.NDArray[np.int64]"]  # of a shard; how many keys each shares


def _most_shared(found: list[_Candidates]) -> list[_Candidates]:
    """At most CANDIDATES of them: those that share most keys, then in order of the corpus."""
    shared = np.concatenate([np.zeros(0, np.int64), *(counts for _, _, _, counts in found)])
    kept = np.zeros(len(shared), np.bool_)
    kept[np.argsort(-shared, kind="stable")[:CANDIDATES]] = True
    some, start = [], 0
    for path, shard, rows, counts in found:
        mine = kept[start : start + len(rows)]
        some.append((path, shard, rows[mine], counts[mine]))
        start += len(rows)
    return some


class _Search:
    """One stage of a run, and the functions by which it compares."""

    def __init__(self, context: Context, node: Node) -> None:
        self._context, self.node = context, node
        self.config: Any = node.config
        self._stage: Any = node.stage
        likeness = _likeness(node)
        assert likeness is not None
        self.likeness = likeness
        resource = context.resource(node)
        self._resource = File(resource) if resource else None

    # ------------------------------------------------------------------ what is asked for

    def of_file(self, file: File) -> _Asked:
        """The text of a file, which must be UTF-8."""
        if scope := self.likeness.scope(self.config):
            message = f"{self.node.name!r} compares documents of the same {', '.join(scope)} alone, and a file has none"
            raise InputError(message, remedy="give the id of a document of the run")
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{file} is no text in UTF-8 that can be read", remedy="convert it, or name another"
            ) from error
        names = self._stage.reads_for(self.config)
        values = {name: nothing(name, 1) for name in names}
        values[self.likeness.column(self.config)] = pa.array([text], pa.large_string())
        batch = pa.RecordBatch.from_arrays([values[name] for name in names], names=list(names))
        how = (batch, self.config, self._resource)
        emitted = self._called(str(file), self._stage.rounds[0].emit, *how)
        measured = self._called(str(file), self._stage.measure, *how)
        forget()
        return _Asked(np.unique(emitted.column("key").to_numpy()), measured)

    def of_document(self, name: str) -> _Asked:
        """A document of the run, by its stored keys."""
        there = {(path.root_key, shard.name): (path, shard) for path, shard in self._context.incoming(self.node)}
        for place in find(self._context, name):
            if (came := there.get((place.root.root_key, place.shard.name))) is not None:
                path, shard = came
                file = TableFile(self._context.store, self._keys(path, shard).layer[0])
                mine = np.flatnonzero(file.rows == place.row)
                row = np.array([place.row], np.uint32)
                measured = next(self._measured(path, shard, row))
                keys = np.unique(file.take("key", mine).to_numpy()) if len(mine) else np.zeros(0, np.uint64)
                return _Asked(keys, measured, (shard.name, place.row))
        message = f"there is no file {name!r}, and no document of that id or URL came to {self.node.name!r}"
        raise InputError(message, remedy=f"`datapipe show {self._context.recipe.run}` gives some")

    # ------------------------------------------------------------------ candidates

    def _keys(self, path: Path, shard: Shard) -> Record:
        record = self._context.state.of(exchange(self.node)).get(shard.name)
        same = record is not None and record.base == shard.record.base
        if not same or record is None or record.values != self._context.paths.keys(path):
            message = f"stage {self.node.name!r} of {self._context.recipe.run} is not done, or not as its recipe says"
            raise RunError(message, remedy="finish that run first")
        return record

    def candidates(self, asked: _Asked) -> Iterator[_Candidates]:
        """Documents of each shard that share a key with what is asked for, and how many, in order of the corpus."""
        for path, shard in self._context.incoming(self.node):
            record = self._keys(path, shard)
            rows, counts = np.unique(self._sharing(record, asked.keys), return_counts=True)
            if asked.place is not None and asked.place[0] == shard.name:
                rows, counts = rows[rows != asked.place[1]], counts[rows != asked.place[1]]
            most = np.sort(np.argsort(-counts, kind="stable")[:CANDIDATES])
            yield path, shard, rows[most].astype(np.uint32), counts[most]

    def _sharing(self, record: Record, keys: Uint64s) -> Rows:
        """The rows of a shard that have one of the keys, once for each."""
        file, starts = TableFile(self._context.store, record.layer[0]), record.buckets or [0] * (BUCKETS + 1)
        found = [np.zeros(0, np.uint32)]
        for key in keys:
            bucket = int(key >> BUCKET_BITS)
            first, last = starts[bucket], starts[bucket + 1]
            if first < last:
                there = file.take("key", np.arange(first, last)).to_numpy()
                low, high = (first + int(np.searchsorted(there, key, side=side)) for side in ("left", "right"))
                found.append(file.take("row", np.arange(low, high)).to_numpy())
        rows: Rows = np.concatenate(found)
        return rows

    # ------------------------------------------------------------------ comparison

    def best(
        self, asked: _Asked, candidates: list[_Candidates], wanted: tuple[int, float]
    ) -> tuple[list[tuple[float, Path, Shard, int]], float | None, int]:
        """The `wanted` number of documents of at least a similarity; the greatest there is; how many were compared."""
        limit, least = wanted
        found: list[tuple[float, Path, Shard, int]] = []
        nearest, compared = -1.0, 0
        for path, shard, rows, _ in candidates:
            for measured in self._measured(path, shard, rows):
                alike = self._called(shard.name, self.likeness.compare, asked.measured, measured, self.config)
                numbers = alike.to_numpy(zero_copy_only=False)
                compared += len(numbers)
                nearest = max(nearest, float(np.nanmax(numbers, initial=-1.0)))
                at = np.flatnonzero(numbers >= least)
                places = measured.column("row").to_numpy()[at].tolist()
                found += [(float(numbers[i]), path, shard, row) for i, row in zip(at.tolist(), places, strict=True)]
            found = sorted(found, key=lambda each: -each[0])[:limit]  # stable: of equal ones the first in the corpus
        return found, nearest if nearest >= 0 else None, compared

    def _measured(self, path: Path, shard: Shard, rows: Rows) -> Iterator[pa.RecordBatch]:
        """What the stage measures of some rows, `row` first: what is kept of them, and the others from their texts."""
        kept = np.zeros(len(rows), np.bool_)
        note = measured_of(self._context.store, self.node.name, shard.name)
        fits = note is not None and (note.values, note.base) == (self._context.paths.keys(path), shard.record.base)
        if (
            note is not None
            and fits
            and note.part.rows
            and is_measured(self._context.store, self.node.name, shard.name)
        ):
            file = TableFile(self._context.store, note.part)
            places = file.find(rows)
            kept = places >= 0
            for start in range(0, int(kept.sum()), BATCH_ROWS):
                at = places[kept][start : start + BATCH_ROWS]
                yield pa.RecordBatch.from_arrays([file.take(name, at) for name in file.columns], names=file.columns)
        if not kept.all():
            yield from self._from_texts(path, with_input(shard), rows[~kept])

    def _from_texts(self, path: Path, shard: Shard, rows: Rows) -> Iterator[pa.RecordBatch]:
        columns = open_columns(self._context, path, shard)
        sizes = columns.files(path.root.name)[0].take("bytes", np.arange(shard.record.layer[0].rows)).to_numpy()
        for mine in batches_of(rows, sizes):
            columns.start_window()
            batch = columns.batch(self._stage.reads_for(self.config), mine, path.owners)
            made = self._called(shard.name, self._stage.measure, batch, self.config, self._resource)
            forget()
            arrays = [pa.array(mine, pa.uint32()), *made.columns]
            yield pa.RecordBatch.from_arrays(arrays, names=["row", *made.schema.names])

    def _called(self, where: str, function: Any, *arguments: Any) -> Any:
        return called(self._context.paths.call(self.node), where, function, *arguments)

    def told(self, similarity: float, path: Path, shard: Shard, row: int) -> Alike:
        """A document as it is shown."""
        base, at = TableFile(self._context.store, shard.record.layer[0]), np.array([row])
        place = Place(
            path.upto(path.root.name), shard, row, base.take("id", at)[0].as_py(), names_of(base, at)[0].as_py()
        )
        source = base.take("source", at)[0].as_py() if "source" in base.columns else None
        survivor = None
        if SURVIVOR in self._stage.adds_for(self.config).names:
            columns = open_columns(self._context, path, shard)
            name = qualified(SURVIVOR, self.node.name)
            survivor = columns.get(name, at.astype(np.uint32), (self.node.name,))[0].as_py()
        return Alike(place, similarity, source, survivor)
