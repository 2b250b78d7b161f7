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
from datapipe.engine.reasons import combined, kept_mask, tallies, write_reasons
from datapipe.engine.source import not_sampled

__all__ = ["run_resample"]


def run_resample(store: Store, config: Any, record: Record, decision: str) -> Record:
    """Write the reasons and the record of a base shard for another sample."""
    assert record.reasons is not None
    base, old = TableFile(store, record.layer[0]), TableFile(store, record.reasons)
    everything = np.arange(base.part.rows)
    hashes = hash_ids(base.take("id", everything))
    sizes = base.take("bytes", everything).to_numpy()
    reasons: Any = old.take("reason", everything)
    lasting = pc.replace_with_mask(
        reasons, pc.fill_null(pc.equal(reasons, pa.scalar("not_sampled")), False), pa.scalar(None, pa.string())
    )
    changed = combined(lasting, not_sampled(hashes, config.sample))
    kept = kept_mask(changed)
    rows = np.arange(base.part.rows, dtype=np.uint32)
    update = {
        "decision": decision,
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
