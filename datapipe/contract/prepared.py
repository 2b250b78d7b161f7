"""Builds a stage's resource from the samples, and checks that it comes out the same again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa

from datapipe.contract.compare import concatenated, cuts
from datapipe.contract.finding import Trial
from datapipe.stage import Prepare, Stage, StageConfig

__all__ = ["prepare_columns", "prepared"]


def prepare_columns(stage: Stage, config: StageConfig) -> tuple[str, ...]:
    """Columns that the stage's `sketch` reads."""
    if stage.prepare is None:
        return ()
    reads = stage.prepare.reads
    return tuple(reads(config)) if callable(reads) else reads


def prepared(stage: Stage, trial: Trial, folder: Path) -> Path | None:
    """The folder of the resource; None if the stage has none, or if it cannot be built."""
    if stage.prepare is None:
        return None
    reads = list(prepare_columns(stage, trial.config))
    parts = [batch.select(reads) for batch in trial.samples.values()]
    ways = [parts, parts, *(cut for _, cut in cuts(concatenated(parts)))]
    digests = set()
    for number, way in enumerate(ways if stage.prepare.sketch else ways[:2]):
        target = folder / str(number)
        target.mkdir()
        built = trial.found.attempt("prepare", "prepare", _build, stage.prepare, trial.config, way, target)
        if built is None:
            return None
        digests.add(built)
    if len(digests) > 1:
        trial.found.add("prepare", "the resource differs when it is built again, or from other batches")
    return folder / "0"


def _build(how: Prepare, config: StageConfig, parts: list[pa.RecordBatch], folder: Path) -> str:
    if how.sketch is None or how.merge is None:
        how.build(config, folder)
    else:
        how.build(how.merge([how.sketch(part, config) for part in parts]), config, folder)
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
