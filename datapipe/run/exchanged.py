"""What the exchange of a Group holds that a run of today's recipe would not: rounds that no longer stand, and measures.

The keys of all documents that come in stay, and with `index` what is measured of them: later runs are compared with
those. Nothing is told of a Group whose rounds are not all done, for the next run may go on from what is there.
Costs reading the names of the rounds' files, and of what documents were asked the row numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.record import FOLDED
from datapipe.corpus.store import Store
from datapipe.engine.answering import Measured, measured_of
from datapipe.engine.part import PartWriter
from datapipe.engine.reasons import kept_rows
from datapipe.engine.task import Slice
from datapipe.errors import DatapipeError
from datapipe.recipe import Node
from datapipe.run.context import Context
from datapipe.run.group import Standing, rounds_standing
from datapipe.run.reopen import standing
from datapipe.run.tasks import exchange
from datapipe.stage import Group, IndexedConfig, Sink

__all__ = ["Found", "exchange_surplus"]

Found: TypeAlias = tuple[str, str, int, Callable[[], int] | None]  # what, path, bytes, and what shrinks it
BATCH_ROWS = 1024


def exchange_surplus(context: Context, node: Node) -> Iterator[Found]:
    """What may go of a stage's exchange: see `Surplus`."""
    folder = exchange(node)
    if not isinstance(node.stage, Group):
        if not isinstance(node.stage, Sink) and context.store.exists(f"{folder}/{FOLDED}"):
            yield "exchange of a stage that compares no longer", folder, context.store.folder_size(folder), None
        return
    stands = _standing(context, node)
    if stands is None:
        return
    for inner in context.store.folders(folder):
        if inner.startswith("round-"):
            for name in context.store.names(f"{folder}/{inner}"):
                path = f"{folder}/{inner}/{name}"
                if path not in stands.files:
                    yield "file of a round that no longer stands", path, context.store.size(path), None
    yield from _measured(context, node, stands)


def _standing(context: Context, node: Node) -> Standing | None:
    """None where rounds are not done, or that cannot be told, as where an earlier run is gone."""
    there = context.state.of(exchange(node))
    if any(shard.name not in there for _, shard in context.incoming(node)):
        return None
    try:
        return rounds_standing(context, node)
    except DatapipeError:
        return None


def _measured(context: Context, node: Node, stands: Standing) -> Iterator[Found]:
    """Files of shards that are gone, and rows of documents that nobody asks for."""
    shards = {shard.name: (path, shard) for path, shard in context.incoming(node)}
    folder = f"{exchange(node)}/measured"
    for name in context.store.names(folder):
        if name.partition(".")[0] not in shards:
            yield (
                "measures of a shard that is no longer there",
                f"{folder}/{name}",
                context.store.size(f"{folder}/{name}"),
                None,
            )
    index = isinstance(node.config, IndexedConfig) and node.config.index
    for name, (path, shard) in shards.items():
        found = measured_of(context.store, node.name, name)
        before = standing(context, path.before(), shard)
        if found is None or before is None or not context.store.exists(found.part.path):
            continue
        wanted = [_rows(context.store, each) for each in stands.asked.get(name, ())]
        wanted += [kept_rows(context.store, before.reasons)] if index else []
        yield from _shrinking(context, found, np.concatenate([np.zeros(0, np.uint32), *wanted]))


def _rows(store: Store, asked: Slice) -> Rows:
    """The documents that some rows ask; each round's rows have columns of their own."""
    rows: Rows = TableFile(store, asked.part).take("row", np.arange(asked.first, asked.last)).to_numpy()
    return rows


def _shrinking(context: Context, found: Measured, wanted: Rows) -> Iterator[Found]:
    file = TableFile(context.store, found.part)
    keep = np.flatnonzero(np.isin(file.rows, wanted))
    gone = len(file.rows) - len(keep)
    if gone:
        estimate = found.part.bytes * gone // len(file.rows)
        yield (
            f"{gone} measured documents that nothing asks for",
            found.part.path,
            estimate,
            lambda: _shrink(context, found, file, keep),
        )


def _shrink(context: Context, found: Measured, file: TableFile, keep: Any) -> int:
    """Write the file anew with some of its rows. Without its note it does not stand, should this be cut short."""
    note = f"{found.part.path.removesuffix('.parquet')}.json"
    context.store.remove(note)
    if not len(keep):
        context.store.remove(found.part.path)
        return found.part.bytes
    schema = pa.schema([file.field(name) for name in file.columns])
    writer = PartWriter(context.store, found.part.path, schema, sliced=True)
    for start in range(0, len(keep), BATCH_ROWS):
        at = keep[start : start + BATCH_ROWS]
        writer.write(pa.RecordBatch.from_arrays([file.take(name, at) for name in schema.names], schema=schema))
    part = writer.commit()
    context.store.write(note, found.model_copy(update={"part": part}).model_dump_json().encode())
    return found.part.bytes - part.bytes
