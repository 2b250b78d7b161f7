"""Decides anew which documents of a stored base shard belong to the sample; reads ids alone.

A kill may leave the reasons of the new sample beside the record of the old one. Running again then takes the
lasting reasons from that file all the same: the books of the record show whether they are the right ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datapipe.corpus.digest import digest_rows
from datapipe.corpus.ids import Hashes, hash_ids, tally
from datapipe.corpus.layer import TableFile
from datapipe.corpus.record import Record, Work, write_record
from datapipe.corpus.store import Store
from datapipe.engine.reasons import combined, kept_mask, tallies, write_reasons
from datapipe.engine.source import not_sampled
from datapipe.engine.task import ResampleTask
from datapipe.errors import CorruptData

__all__ = ["run_resample"]

NOT_SAMPLED = "not_sampled"


def run_resample(task: ResampleTask) -> Record:
    """Write the reasons and the record of a base shard for another sample."""
    store, record = Store(task.run), task.record
    base = TableFile(store, record.layer[0])
    everything = np.arange(base.part.rows)
    hashes = hash_ids(base.take("id", everything))
    sizes = base.take("bytes", everything).to_numpy()
    changed = combined(_lasting(store, record, hashes), not_sampled(hashes, task.source.settings.sample))
    kept = kept_mask(changed)
    rows = np.arange(base.part.rows, dtype=np.uint32)
    update = {
        "decision": task.decision,
        "rows_kept": digest_rows(rows[kept]),
        "kept": tally(hashes[kept]),
        "dropped": tallies(hashes, changed),
        "bytes_kept": int(sizes[kept].sum()),
        "reasons": write_reasons(store, f"{record.stage}/{record.shard}", rows, changed),
        "work": Work(),
    }
    fresh = record.model_copy(update=update)
    write_record(store, fresh)
    return fresh


def _lasting(store: Store, record: Record, hashes: Hashes) -> Any:
    """The reasons that do not depend on the sample, held against the record: by count and by sum."""
    assert record.reasons is not None
    home = store.at(record.reasons.run)
    try:
        with home.open(record.reasons.path) as file:
            reasons: Any = pq.read_table(file).column("reason").combine_chunks()
    except (pa.ArrowException, OSError, KeyError):
        reasons = pa.nulls(0, pa.string())
    outside = pc.fill_null(pc.equal(reasons, pa.scalar(NOT_SAMPLED)), False)
    lasting = pc.if_else(outside, pa.scalar(None, pa.string()), reasons)
    expected = {reason: left for reason, left in record.dropped.items() if reason != NOT_SAMPLED}
    if len(lasting) != len(hashes) or tallies(hashes, lasting) != expected:
        raise CorruptData(
            f"{home.path(record.reasons.path)} does not hold the reasons that its record describes",
            remedy=f"delete it and run again: shard {record.shard} will be read anew",
        )
    return lasting
