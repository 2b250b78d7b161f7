"""Everything that a stage makes of the samples, as one digest: the same in any process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pyarrow as pa

from datapipe.contract.compare import concatenated, groups
from datapipe.contract.finding import Trial
from datapipe.contract.grouped import run_group
from datapipe.contract.streams import run_sink, run_source, sink_rows
from datapipe.stage import Expand, Group, Map, Sink, Source

__all__ = ["outcome"]


def outcome(trial: Trial) -> str:
    """Digest of what comes out, in hex."""
    digest = hashlib.blake2b(digest_size=16)
    for part in _parts(trial):
        if isinstance(part, bytes):
            digest.update(part)
            continue
        digest.update(str(part.schema).encode())
        for lines in groups(part, None, len(part)):
            digest.update("\n".join(lines).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _parts(trial: Trial) -> Iterator[pa.RecordBatch | bytes]:
    stage = trial.stage
    if isinstance(stage, Source):
        yield from run_source(trial)
        return
    whole = concatenated(list(trial.samples.values()))
    if isinstance(stage, Map):
        yield stage.process(whole.select(trial.reads), trial.config, trial.resource)
    elif isinstance(stage, Expand):
        yield stage.expand(whole.select(trial.reads), trial.config, trial.resource)
    elif isinstance(stage, Group):
        yield from run_group(trial, whole)
    elif isinstance(stage, Sink):
        yield run_sink(trial, [sink_rows(trial)])
