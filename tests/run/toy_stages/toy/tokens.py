"""Map for tests: the bytes of a text are its tokens; every second byte of a text with an even number carries loss."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.schema import COLUMNS
from datapipe.stage import TEXT, Map, StageConfig, columns, schema


class Config(StageConfig):
    """No options."""


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The bytes."""
    tokens = [list((text or "").encode()) for text in batch.column("text").to_pylist()]
    loss = [
        None if len(each) % 2 else [{"start": at, "end": at + 1, "weight": 1.0} for at in range(0, len(each), 2)]
        for each in tokens
    ]
    return columns(
        tokens=pa.array(tokens, COLUMNS["tokens"]),
        loss=pa.array(loss, COLUMNS["loss"]),
        token_count=pa.array([len(each) for each in tokens], pa.int32()),
        trained_count=pa.array([len(each) if len(each) % 2 else len(each) // 2 for each in tokens], pa.int32()),
    )


NAMES = ("tokens", "loss", "token_count", "trained_count")
STAGE = Map(
    name="toy.tokens",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(**{name: COLUMNS[name] for name in NAMES}),
    process=process,
)
