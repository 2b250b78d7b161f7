"""What dedup.vectors costs as the corpus grows, and what it finds, over made-up embeddings.

    PYTHONPATH=. python tests/benchmarks/vectors.py [DOCUMENTS ...]

By default 10, 30 and 100 thousand documents with embeddings of 384 numbers in Parquet files. They lie around topics, so
that those of one topic have a cosine of .6; a quarter are near copies of another (.97), and one is copied a hundred
times as it is. `datapipe run` is timed by itself for the stage: reading the documents comes before. Memory: the most
that all its processes hold together, and the most of any of them. Found: the share of planted copies that leave, and
how many others do.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tests.benchmarks.near_duplicates import run_of

NUMBERS = 384
TOPICS = 300
FILES = 8
HUB = 100
STEPS = (10_000, 30_000, 100_000)

Float32s = npt.NDArray[np.float32]


def _around(middles: Float32s, cosine: float, random: np.random.Generator) -> Float32s:
    """A vector for each, of length 1 and at about this cosine with it."""
    noise = random.standard_normal(middles.shape, np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    found: Float32s = middles * np.float32(cosine) + noise * np.float32(np.sqrt(1 - cosine * cosine))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def write_documents(folder: Path, count: int) -> set[str]:
    """Parquet files; returns the ids of the documents that are copies of another one, which comes first."""
    random = np.random.default_rng(count)
    topics = random.standard_normal((TOPICS, NUMBERS), np.float32)
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)
    originals = count - count // 4 - HUB
    vectors = _around(topics[random.integers(0, TOPICS, originals)], 0.6**0.5, random)
    copies = _around(vectors[random.permutation(originals)[: count // 4]], 0.97, random)
    vectors = np.concatenate([vectors, np.repeat(vectors[:1], HUB, axis=0), copies])
    folder.mkdir()
    for number, part in enumerate(np.array_split(np.arange(count), FILES)):
        offsets = pa.array(np.arange(len(part) + 1, dtype=np.int64) * NUMBERS)
        numbers = pa.array(vectors[part].ravel())
        ids = [f"{row:09d}" for row in part]
        lists = pa.LargeListArray.from_arrays(offsets, numbers)  # type: ignore[call-overload]
        table = pa.table({"text": ids, "key": ids, "embedding": lists})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=4096, use_dictionary=False)
    return {f"{row:09d}" for row in range(originals, count)}


def left(folder: Path) -> set[str]:
    """Ids of the documents that the stage removed."""
    gone: set[str] = set()
    for path in sorted((folder / "run" / "near").glob("*.reasons.parquet")):
        reasons = pq.read_table(path)
        base = pq.read_table(folder / "run" / "docs" / path.name.replace(".reasons", ""), columns=["id"])["id"]
        rows = reasons["row"].to_numpy()[reasons["reason"].is_valid().to_numpy()]
        gone.update(str(name) for name in base.take(pa.array(rows)).to_pylist())
    return gone


def main() -> None:
    """Print the table."""
    print("documents | nearest | seconds | CPU s | documents/s | all processes MB | largest MB | found | others")
    for count in [int(word) for word in sys.argv[1:]] or STEPS:
        for nearest in (1, 2):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                copies = write_documents(folder / "in", count)
                columns = {"id": "key", "embedding": "embedding"}
                paths = [str(folder / "in")]
                stages = {
                    "docs": {"use": "read.parquet", "paths": paths, "source": "made", "columns": columns},
                    "near": {"use": "dedup.vectors", "nearest": nearest},
                }
                recipe = folder / "recipe.yaml"
                recipe.write_text(yaml.safe_dump({"run": str(folder / "run"), "stages": stages}))
                run_of(folder, recipe, "docs")
                cost = run_of(folder, recipe)
                gone = left(folder)
            memory = f"{cost.together / 1e6:.0f} | {cost.largest / 1e6:.0f}"
            found = f"{len(gone & copies) / len(copies):.4f} | {len(gone - copies)}"
            rate = f"{count / cost.seconds:.0f}"
            print(
                f"{count} | {nearest} | {cost.seconds:.1f} | {cost.cpu:.1f} | {rate} | {memory} | {found}", flush=True
            )


if __name__ == "__main__":
    main()
