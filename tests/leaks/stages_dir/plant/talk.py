"""Make a conversation of each text, one that calls a tool, and break down on some. For tests only."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa

from datapipe.schema import COLUMNS
from datapipe.stage import TEXT, Map, StageConfig, measure


class Config(StageConfig):
    breaks_on: str = measure("BREAK", "a word; texts with it are too much for this stage")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Conversations in which the text is asked, and handed to a tool as JSON with escapes."""
    talks = []
    for text in map(str, batch["text"].to_pylist()):
        if config.breaks_on in text:
            sys.stderr.write("it breaks now\n")
            raise ValueError(text)
        said = {"train": False, "weight": 1.0}
        call = json.dumps({"query": text})
        talks.append([{"role": "user", "content": text, **said}, {"role": "tool", "content": call, **said}])
    return pa.RecordBatch.from_arrays([pa.array(talks, COLUMNS["messages"])], names=["messages"])


STAGE = Map(
    name="plant.talk",
    version=1,
    config=Config,
    reads=TEXT,
    adds=pa.schema([("messages", COLUMNS["messages"])]),
    process=process,
    guarded=True,
)
