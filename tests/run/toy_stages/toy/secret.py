"""Map for tests that is audited: takes a word out of texts, or drops them where there are two of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.schema import COLUMNS
from datapipe.stage import TEXT, Map, Mask, Planting, StageConfig, above, columns, decide, first_of, measure, schema

WORD, TWICE = "xyzzy", "twice"


class Config(StageConfig):
    """Options of the test mask."""

    large: bool = measure(True, "also take out the word in large letters")
    most: int = decide(1, "words; texts with more leave")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The texts without the words, and how many there were."""
    texts: Any = batch.column("text")
    seen = np.zeros(len(batch), np.int32)
    for word in (WORD, WORD.upper()) if config.large else (WORD,):
        seen += pc.fill_null(pc.count_substring(texts, word), 0).to_numpy(zero_copy_only=False).astype(np.int32)
        texts = pc.replace_substring(texts, word, "")
    return columns(text=texts, seen=seen)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Those with too many."""
    return first_of((above(measured["seen"], config.most), TWICE))


def plant(batch: pa.RecordBatch, config: Config, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    """Of every document two cases: one of small letters or of large, and one with the word twice."""
    made = []
    for row, (text, seed) in enumerate(zip(batch["text"].to_pylist(), seeds.tolist(), strict=True)):
        word = WORD.upper() if seed % 2 else WORD
        made.append((row, "large" if seed % 2 else "small", word, f"{text} {word}"))
        made.append((row, TWICE, WORD, f"{WORD} {text} {WORD}"))
    rows, kinds, hidden, texts = zip(*made, strict=True) if made else ((), (), (), ())
    return columns(
        parent_row=pa.array(rows, pa.uint32()),
        case=pa.array(kinds, pa.string()),
        hidden=pa.array(hidden, pa.string()),
        text=pa.array(texts, COLUMNS["text"]),
    )


def found(cases: pa.RecordBatch, config: Config) -> Mask:
    """Where the word is gone, and of those with two the text."""
    left = cases["reason"].is_valid().to_numpy(zero_copy_only=False)
    texts, hidden = cases["text"].to_pylist(), cases["hidden"].to_pylist()
    stands = np.array([word in (text or "") for word, text in zip(hidden, texts, strict=True)], np.bool_)
    twice = np.array([kind == TWICE for kind in cases["case"].to_pylist()], np.bool_)
    gone: Mask = np.where(twice, left, ~stands)
    return gone


STAGE = Map(
    name="toy.secret",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(text=COLUMNS["text"], seen=pa.int32()),
    reasons={TWICE: "the word stands there too often"},
    process=process,
    decide=decide_reasons,
    decides=("seen",),
    audit=Planting(version=1, plant=plant, reads=TEXT, found=found),
)
