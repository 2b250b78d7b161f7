"""How fast filter.toxicity and filter.classifier judge documents on one core.

    DATAPIPE_REAL_DATA=... python tests/benchmarks/classifiers.py

Through `process`, in batches of 1,024 rows, the segmentation included; the best of some rounds, compiling left out.
fastText stands beside on the same texts where it is installed (with the model of languages, which is a small one).
"""

import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from datapipe.text import forget
from stages.filter import classifier, toxicity
from tests.stages.filter.models import fasttext

ROUNDS = 5
ROWS = 1024
SETS = {
    "tweets (Davidson)": ("tox-davidson/davidson", "tweet", "en"),
    "comments (COLD dev)": ("tox-cold/cold_dev", "TEXT", "zh"),
    "web pages (C4)": ("raw/c4_demo_300", "text", "en"),
    "long pages (WCXB)": ("extract-wcxb/gold", "main_content", "en"),
    "pages (OI wiki)": ("raw/oiwiki_zh", "text", "zh"),
}


def batches(path: Path, field: str, language: str) -> list[pa.RecordBatch]:
    """The texts of a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)[field] for line in lines]
    parts = [texts[start : start + ROWS] for start in range(0, len(texts), ROWS)]
    return [
        pa.RecordBatch.from_arrays(
            [pa.array(part, pa.large_string()), pa.array([language] * len(part))], names=["text", "language"]
        )
        for part in parts
    ]


def seconds(judge: Callable[[pa.RecordBatch], object], some: list[pa.RecordBatch]) -> float:
    """CPU seconds for all batches, the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for batch in some:
            judge(batch)
            forget()
        best = min(best, time.process_time() - began)
    return best


def main() -> None:
    """Print documents and megabytes a second."""
    real = Path(os.environ["DATAPIPE_REAL_DATA"])
    lists = toxicity.Config(words=str(real / "tox-wordlists/ldnoobw"))
    hidden = lists.model_copy(update={"obfuscation": True})
    own = classifier.Config(model=str(Path(toxicity.__file__).with_name("en.npz")))
    other = classifier.Config(engine="fasttext", model=str(fasttext(real)))
    judges: dict[str, Callable[[pa.RecordBatch], object]] = {
        "toxicity": lambda batch: toxicity.process(batch, toxicity.Config(), None),
        "  and lists": lambda batch: toxicity.process(batch, lists, None),
        "  and hidden words": lambda batch: toxicity.process(batch, hidden, None),
        "classifier linear": lambda batch: classifier.process(batch, own, None),
        "classifier fasttext": lambda batch: classifier.process(batch, other, None),
    }
    for name, (file, field, language) in SETS.items():
        some = batches(real / f"{file}.jsonl.gz", field, language)
        documents = sum(map(len, some))
        size = sum(len(text.as_buffer()) for batch in some for text in batch["text"] if text.is_valid)
        print(f"{name}: {documents:,} documents of {size / documents:,.0f} bytes")
        for judged, judge in judges.items():
            took = seconds(judge, some)
            print(f"  {judged:<20} {documents / took:>10,.0f} documents/s  {size / took / 1e6:6.1f} MB/s")


if __name__ == "__main__":
    main()
