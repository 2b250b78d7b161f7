"""Map for tests: a document whose first word is `s<source>x<tokens>` gets that source, so many tokens, and its rank."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.schema import COLUMNS
from datapipe.stage import TEXT, Map, StageConfig, columns, schema


class Config(StageConfig):
    """No options."""


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """All told by the text."""
    words = [(text or "s0x0r0").split()[0] for text in batch.column("text").to_pylist()]
    sources, rest = zip(*(word[1:].split("x") for word in words), strict=True)
    counts, ranks = zip(*(each.split("r") for each in rest), strict=True)
    tokens = [list(range(int(count))) for count in counts]
    return columns(
        source=pa.array([f"s{source}" for source in sources], pa.string()),
        tokens=pa.array(tokens, COLUMNS["tokens"]),
        token_count=pa.array([len(each) for each in tokens], pa.int32()),
        trained_count=pa.array([len(each) for each in tokens], pa.int32()),
        rank=pa.array([int(rank) for rank in ranks], pa.int32()),
    )


NAMES = ("source", "tokens", "token_count", "trained_count")
STAGE = Map(
    name="toy.numbered",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(**{name: COLUMNS[name] for name in NAMES}, rank=pa.int32()),
    process=process,
)
