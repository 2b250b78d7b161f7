"""Decides anew which documents of a stored base shard belong to the sample; reads ids alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.corpus.digest import digest_rows
from datapipe.corpus.ids import hash_ids, tally
from datapipe.corpus.layer import TableFile
from datapipe.corpus.record import Record, Work, write_record
from datapipe.corpus.store import Store
from datapipe.engine.shards import sampled
from datapipe.engine.step import REASONS, PartWriter

__all__ = ["run_resample"]


def run_resample(store: Store, config: Any, record: Record, decision: str) -> Record:
    """Write the reasons and the record of a base shard for another sample."""
    assert record.reasons is not None
    base, old = TableFile(store, record.layer[0]), TableFile(store, record.reasons)
    everything = np.arange(base.part.rows)
    hashes = hash_ids(base.take("id", everything))
    sizes = base.take("bytes", everything).to_numpy()
    reasons = old.take("reason", everything)
    lasting = pc.if_else(pc.fill_null(pc.equal(reasons, "not_sampled"), False), pa.scalar(None, pa.string()), reasons)
    outside = pa.array(np.where(sampled(hashes, config.sample), None, "not_sampled"), pa.string())
    changed = pc.coalesce(lasting, outside)
    kept = pc.is_null(changed).to_numpy(zero_copy_only=False)
    rows = np.arange(base.part.rows, dtype=np.uint32)
    writer = PartWriter(store, f"{record.stage}/{record.shard}.reasons.parquet", REASONS)
    writer.write(pa.RecordBatch.from_arrays([pa.array(rows), changed], schema=REASONS))
    given = pc.unique(changed).drop_null().to_pylist()
    hits = {reason: pc.fill_null(pc.equal(changed, reason), False).to_numpy(zero_copy_only=False) for reason in sorted(given)}
    update = {
        "decision": decision,
        "rows_kept": digest_rows(rows[kept]),
        "kept": tally(hashes[kept]),
        "dropped": {reason: tally(hashes[hit]) for reason, hit in hits.items()},
        "bytes_kept": int(sizes[kept].sum()),
        "reasons": writer.commit(),
        "work": Work(),
    }
    fresh = record.model_copy(update=update)
    write_record(store, fresh)
    return fresh
