"""Packed folders of known sequences, written by the stage that writes them in a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datapipe.stage import Above
from stages.write.packed import STAGE, Config


class Document(NamedTuple):
    """A document that a sequence holds whole; weights of its tokens, all 1 if none are given."""

    id: str
    source: str
    tokens: list[int]
    weights: list[float] | None = None


def rows(sequences: Sequence[Sequence[Document]]) -> pa.RecordBatch:
    """What the exchange gives the stage: a row for each document, in order."""
    placed = [
        (key, sum(len(other.tokens) for other in documents[:place]), document)
        for key, documents in enumerate(sequences)
        for place, document in enumerate(documents)
    ]
    lengths = [len(document.tokens) for _, _, document in placed]
    bounds: Any = pa.array(np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))
    tokens = [token for _, _, document in placed for token in document.tokens]
    weights = [weight for _, _, each in placed for weight in each.weights or [1.0] * len(each.tokens)]
    columns: dict[str, Any] = {
        "key": pa.array([key for key, _, _ in placed], pa.uint64()),
        "offset": pa.array([offset for _, offset, _ in placed], pa.int32()),
        "start": pa.array(np.zeros(len(placed), np.int32)),
        "end": pa.array(lengths, pa.int32()),
        "id": pa.array([document.id for _, _, document in placed]),
        "source": pa.array([document.source for _, _, document in placed]),
        "cut": pa.array(np.zeros(len(placed), np.int64)),
        "tokens": pa.LargeListArray.from_arrays(bounds, pa.array(tokens, pa.int32())),
        "weights": pa.LargeListArray.from_arrays(bounds, pa.array(weights, pa.float32())),
    }
    return pa.RecordBatch.from_pydict(columns)


def write_packed(
    folder: Path, sequences: Sequence[Sequence[Document]], *, files: int = 1, length: int | None = None, **options: Any
) -> Path:
    """The folder of these sequences, spread evenly over files in their order."""
    config = Config(length=length, **options)
    (folder / "index").mkdir(parents=True)
    written = {}
    for number, some in enumerate(np.array_split(np.arange(len(sequences)), files)):
        name = f"data-{number:05}-of-{files:05}"
        gather: Any = STAGE
        with (folder / f"{name}.arrow").open("wb") as file:
            told = gather.write(iter([rows([sequences[each] for each in some])]), file, config)
        pq.write_table(told.index, folder / "index" / f"{name}.parquet")
        written[f"{name}.arrow"] = told.facts
    assert STAGE.gather is not None
    assert STAGE.gather.finish is not None
    for name, content in STAGE.gather.finish(written, Above(), config):
        (folder / name).write_bytes(content)
    return folder


def drawn(count: int, *, seed: int = 0, longest: int = 12, vocabulary: int = 100) -> list[list[Document]]:
    """Sequences of one to three documents, every token drawn."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        lengths = rng.integers(1, longest // 3 + 1, rng.integers(1, 4))
        made.append(
            [
                Document(f"{number}-{place}", ("web", "chats")[(number + place) % 2], _tokens(rng, size, vocabulary))
                for place, size in enumerate(lengths)
            ]
        )
    return made


def _tokens(rng: np.random.Generator, size: int, vocabulary: int) -> list[int]:
    tokens: list[int] = rng.integers(1, vocabulary, size).tolist()
    return tokens


def manifest(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return told
